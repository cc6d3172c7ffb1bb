from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from tests.doubles.cards import MIB, bytes_at, card_file
from workers.errors import HostError, SlotError
from workers.imaging.sysfs import Disk
from workers.writer import card as card_module
from workers.writer import ioctls
from workers.writer.card import BlockCard, FileCard, aligned


def buffer_of(data: bytes) -> memoryview:
    buffer = aligned(len(data))
    buffer[:] = data
    return buffer


@pytest.mark.parametrize("direct", [True, False])
def test_what_is_written_is_on_the_card_and_reads_back(path: Path, direct: bool) -> None:
    data = os.urandom(8192)
    with FileCard.open(str(path), direct=direct) as card:
        assert card.write(buffer_of(data), 4 * MIB) == 8192
        card.flush()
        card.drop_caches()
        back = aligned(8192)
        assert card.read_into(back, 4 * MIB) == 8192
        assert bytes(back) == data
    assert bytes_at(path, 4 * MIB, 8192) == data
    assert path.stat().st_size == 32 * MIB


def test_a_file_is_never_created(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileCard.open(str(tmp_path / "none"))
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_not_followed(tmp_path: Path, path: Path) -> None:
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(OSError, match="symbolic") as caught:
        FileCard.open(str(tmp_path / "link"))
    assert caught.value.errno == errno.ELOOP


def test_a_folder_is_no_card(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        FileCard.open(str(tmp_path))


def test_a_pipe_is_no_card(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SlotError) as caught:
        FileCard.open(str(tmp_path / "pipe"))
    assert caught.value.code == "not_a_file"


def test_a_card_is_held_by_one_alone(path: Path, card: FileCard) -> None:
    with pytest.raises(SlotError) as caught:
        FileCard.open(str(path))
    assert caught.value.code == "in_use"
    card.close()
    FileCard.open(str(path)).close()


def test_reading_needs_no_lock(path: Path, card: FileCard) -> None:
    with FileCard.open(str(path), writable=False) as reader:
        assert reader.identity().is_same_as(card.identity())
        with pytest.raises(OSError, match="Bad file descriptor"):
            reader.write(aligned(4096), 0)


def test_a_file_never_grows(path: Path, card: FileCard) -> None:
    with pytest.raises(OSError, match="beyond the end") as caught:
        card.write(aligned(8192), 32 * MIB - 4096)
    assert caught.value.errno == errno.ENOSPC
    assert path.stat().st_size == 32 * MIB


def test_a_removed_file_is_a_removed_card(path: Path, card: FileCard) -> None:
    assert card.present()
    path.unlink()
    assert not card.present()
    with pytest.raises(OSError, match="removed") as caught:
        card.write(aligned(4096), 0)
    assert caught.value.errno == errno.ENODEV


def test_a_replaced_file_is_another_card(path: Path, card: FileCard) -> None:
    first = card.identity()
    card_file(path.with_name("new"), 32 * MIB).rename(path)
    assert not card.present()
    card.close()
    with FileCard.open(str(path)) as second:
        assert second.identity().diskseq != first.diskseq
        assert not second.identity().is_same_as(first)


def test_a_new_file_under_the_same_name_is_a_new_insertion_even_with_the_old_inode(path: Path) -> None:
    """ext4 gives a freed inode to the next file; its generation tells them apart."""
    seen = set()
    for _ in range(5):
        with FileCard.open(str(path)) as card:
            seen.add(card.identity().diskseq)
        path.unlink()
        path.write_bytes(bytes(MIB))
    with path.open("rb") as file:
        from workers.writer.ioctls import file_generation

        if not file_generation(file.fileno()):
            pytest.skip("this file system has no inode generations")
    assert len(seen) == 5


def test_the_same_file_stays_the_same_insertion(path: Path) -> None:
    with FileCard.open(str(path)) as card:
        first = card.identity()
        card.write(buffer_of(b"x" * 4096), 0)
    with FileCard.open(str(path)) as card:
        assert card.identity() == first
    assert 0 < (first.diskseq or 0) < 2**48


def test_a_truncated_file_is_gone(path: Path, card: FileCard) -> None:
    os.truncate(path, 0)
    assert not card.present()


def test_closing_twice_is_harmless_and_frees_the_locks(path: Path, card: FileCard) -> None:
    inside, outside = os.pipe()
    card.close_with(outside)
    card.close()
    card.close()
    assert os.read(inside, 1) == b""
    os.close(inside)


def test_where_direct_io_is_refused_writes_are_synchronous(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open
    flags: list[int] = []

    def no_direct(name: str, mode: int) -> int:
        if mode & os.O_DIRECT:
            raise OSError(errno.EINVAL, "no direct I/O here")
        flags.append(mode)
        return real(name, mode)

    monkeypatch.setattr(card_module.os, "open", no_direct)
    with FileCard.open(str(path)) as card:
        card.write(buffer_of(b"y" * 4096), 0)
        card.flush()
        card.drop_caches()
    assert all(mode & os.O_DSYNC for mode in flags)
    assert bytes_at(path, 0, 4096) == b"y" * 4096


def test_other_errors_at_opening_are_not_taken_for_missing_direct_io(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_name: str, _mode: int) -> int:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(card_module.os, "open", refuse)
    with pytest.raises(PermissionError):
        FileCard.open(str(path))


def test_a_cache_that_stays_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card_module.os, "posix_fadvise", lambda *_: None)
    with FileCard.open(str(path), direct=False) as card:
        card.read_into(aligned(MIB), 0)
        try:
            os.preadv(card._handle, [bytearray(1)], 0, os.RWF_NOWAIT)
        except OSError:
            pytest.skip("this file system cannot tell what is in memory")
        with pytest.raises(HostError) as caught:
            card.drop_caches()
    assert caught.value.code == "cache_not_dropped"


def disk_at(path: Path) -> Disk:
    """A disk whose node is this path."""
    return Disk(name=f"../{path}", number="8:16", path="/sys/x", size=4096)


def test_a_node_that_vanished_is_never_created(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        BlockCard.open(disk_at(tmp_path / "none"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_took_a_nodes_name_is_no_block_device(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(SlotError) as caught:
        BlockCard.open(disk_at(path))
    assert caught.value.code == "card_changed"
    assert path.read_bytes() == before


def test_a_link_in_a_nodes_place_is_not_followed(tmp_path: Path, path: Path) -> None:
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(OSError, match="symbolic links"):
        BlockCard.open(disk_at(tmp_path / "link"))


@pytest.mark.parametrize("kind", ["pwrite", "preadv"])
def test_direct_io_that_is_refused_with_the_first_transfer(
    path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Opening succeeds; the transfer says EINVAL as long as the descriptor is direct."""
    real = getattr(os, kind)

    def picky(handle: int, *rest: object) -> int:
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_DIRECT:
            raise OSError(errno.EINVAL, "no direct I/O here")
        return int(real(handle, *rest))

    with FileCard.open(str(path)) as card:
        monkeypatch.setattr(card_module.os, kind, picky)
        if kind == "preadv":
            card.read_into(aligned(4096), 0)
        card.write(buffer_of(b"z" * 4096), 8192)
        assert not fcntl.fcntl(card._handle, fcntl.F_GETFL) & os.O_DIRECT
        card.flush()
        card.drop_caches()
        monkeypatch.setattr(card_module.os, "posix_fadvise", lambda *_: None)
        card.read_into(aligned(MIB), 0)
        with pytest.raises(HostError) as caught:
            card.drop_caches()
    assert caught.value.code == "cache_not_dropped", "from now on it is proved that nothing stays cached"
    assert bytes_at(path, 8192, 4096) == b"z" * 4096


def test_an_invalid_transfer_is_not_taken_for_missing_direct_io_twice(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EINVAL, "never")

    with FileCard.open(str(path)) as card:
        for kind in ("pwrite", "pwritev"):
            monkeypatch.setattr(card_module.os, kind, refuse)
        with pytest.raises(OSError, match="never"):
            card.write(aligned(4096), 0)


@pytest.mark.parametrize(
    ("refusal", "there"),
    [
        (errno.ENOMEDIUM, False),
        (errno.ENODEV, False),
        (errno.ENXIO, False),
        (errno.EACCES, True),
        (None, True),
    ],
)
def test_a_reader_is_asked_for_its_card_by_opening_it(
    refusal: int | None, there: bool, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if refusal is not None:

        def refuse(*_: object) -> int:
            raise OSError(refusal, os.strerror(refusal))

        monkeypatch.setattr(ioctls.os, "open", refuse)
    assert ioctls.has_medium(str(path)) is there


def test_a_node_that_is_not_there_any_more_has_no_card(tmp_path: Path) -> None:
    assert not ioctls.has_medium(str(tmp_path / "sdz"))
