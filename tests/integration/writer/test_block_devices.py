"""Real block devices: loop devices with direct I/O, each attached by the test itself. Needs root."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.doubles.cards import MIB, assert_holds, bytes_at, card_file, image, loop_device, tool
from workers.errors import CardError, SlotError, WorkError
from workers.imaging.devices import Devices, device_number
from workers.report import Recorder
from workers.writer import card as card_module
from workers.writer import ioctls
from workers.writer.burn import burn
from workers.writer.card import BlockCard, aligned
from workers.writer.conditions import Conditions
from workers.writer.faulty import FaultyCard
from workers.writer.opening import check, look, open_candidate, open_for_reading
from workers.writer.slots import SlotConfig, find, open_card
from workers.writer.transfer import settle
from workers.writer.verify import verify

pytestmark = pytest.mark.loop
MAPPED = [(0, MIB), (9 * MIB, 20 * MIB + 4096), (60 * MIB, MIB), (93 * MIB, MIB)]


@pytest.fixture
def node(backing: Path) -> Iterator[str]:
    with loop_device(backing) as node:
        yield node


def run(*command: str | Path) -> None:
    program, *arguments = map(str, command)
    subprocess.run([tool(program) or program, *arguments], check=True, capture_output=True)


@contextmanager
def mounted(node: str, point: Path, *options: str) -> Iterator[None]:
    point.mkdir()
    run("mount", *options, node, point)
    try:
        yield
    finally:
        run("umount", point)


def opened(node: str, *, allow: bool = True) -> BlockCard:
    devices = Devices()
    candidate = look(node, devices)
    check(candidate, devices, allow_non_removable=allow)
    card = open_candidate(candidate, devices)
    assert isinstance(card, BlockCard)
    return card


def refusal(node: str, *, allow: bool = True) -> WorkError:
    with pytest.raises(WorkError) as caught:
        opened(node, allow=allow)
    return caught.value


def test_an_image_is_written_and_proved(backing: Path, node: str) -> None:
    source = image(94 * MIB, MAPPED)
    with opened(node) as card:
        assert card.size() == 96 * MIB
        assert card.block == 512
        assert card.present()
        burn(source, card, Recorder(), Conditions(stamps=0))
        assert verify(source, card, Recorder()).good
    assert_holds(backing, source)
    assert bytes_at(backing, 40 * MIB, MIB) == b"\xa5" * MIB, "a hole stays as it was"
    assert bytes_at(backing, 95 * MIB, MIB) == bytes(MIB)


def test_a_card_let_go_and_not_opened_again_is_not_present(node: str) -> None:
    def refuse() -> BlockCard:
        raise SlotError("no_card", "no")

    with opened(node) as card:
        with pytest.raises(SlotError):
            card.reopen(refuse)
        assert not card.present()


def test_identity_is_what_the_kernel_says(node: str) -> None:
    facts = Path(node).stat()
    with opened(node) as card:
        identity = card.identity()
    assert identity.number == device_number(facts.st_rdev)
    assert identity.diskseq is not None
    assert identity.place == f"/sys/devices/virtual/block/{Path(node).name}"
    assert identity.is_same_as(look(node, Devices()).identity)


@pytest.mark.parametrize("odd", [-512, -511, 0, 1, 512])
def test_a_card_of_4096_byte_blocks_takes_an_odd_image(backing: Path, odd: int) -> None:
    source = image(12 * MIB + odd)
    with loop_device(backing, "-b", "4096") as node, opened(node) as card:
        assert card.block == 4096
        burn(source, card, Recorder())
    assert_holds(backing, source)


def test_a_card_whose_size_is_odd_in_512_byte_sectors(tmp_path: Path, backing: Path) -> None:
    path = card_file(tmp_path / "odd", 12 * MIB + 512)
    source = image(12 * MIB + 512)
    with loop_device(path) as node, opened(node) as card:
        burn(source, card, Recorder())
    assert_holds(path, source)


def test_reading_back_sees_the_device_and_not_the_page_cache(backing: Path, node: str) -> None:
    source = image(94 * MIB, MAPPED)
    with opened(node) as card:
        burn(source, card, Recorder())
    with open(node, "rb") as cached:  # all of it into the page cache of the loop device
        while cached.read(4 * MIB):
            pass
        handle = os.open(backing, os.O_WRONLY | os.O_DIRECT)  # and now the card changes behind it
        os.pwrite(handle, aligned(4096), 10 * MIB)
        os.fsync(handle)
        os.close(handle)
        cached.seek(10 * MIB)
        assert cached.read(4096) != bytes(4096), "the cache still shows the old bytes"
        with open_for_reading(node, Devices()) as card:
            verdict = verify(source, card, Recorder())
    assert len(verdict.bad) == 1
    assert verdict.bad[0][0] <= 10 * MIB < sum(verdict.bad[0])


def test_a_card_held_exclusively_by_another_is_in_use(backing: Path, node: str) -> None:
    holder = os.open(node, os.O_RDWR | os.O_EXCL)
    try:
        assert refusal(node).code == "in_use"
    finally:
        os.close(holder)
    opened(node).close()


def test_while_we_hold_it_nobody_mounts_or_takes_it(tmp_path: Path, backing: Path, node: str) -> None:
    run("mkfs.ext4", "-q", "-F", node)
    (tmp_path / "point").mkdir()
    with opened(node):
        with pytest.raises(OSError, match="busy"):
            os.open(node, os.O_RDWR | os.O_EXCL)
        with pytest.raises(subprocess.CalledProcessError):
            run("mount", node, tmp_path / "point")


def test_the_lock_that_udev_honours_is_held_and_respected(
    backing: Path, node: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card_module, "_UDEV_PATIENCE", 0)
    other = os.open(node, os.O_RDONLY)
    try:
        with opened(node), pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_SH)
        assert refusal(node).code == "in_use"
    finally:
        os.close(other)


def test_a_mounted_device_is_refused_and_unchanged(tmp_path: Path, backing: Path, node: str) -> None:
    run("mkfs.ext4", "-q", "-F", node)
    with mounted(node, tmp_path / "point", "-o", "ro"):
        before = hashlib.sha256(backing.read_bytes()).digest()
        error = refusal(node)
        assert error.code == "in_use"
        assert str(tmp_path / "point") in error.message
        assert hashlib.sha256(backing.read_bytes()).digest() == before
    opened(node).close()


@contextmanager
def partition(backing: Path, node: str) -> Iterator[str]:
    """One partition, added by hand: this kernel may know no partition tables."""
    with backing.open("r+b") as file:
        file.write(bytes(446))
        file.write(
            bytes([0, 0, 0, 0, 0x83, 0, 0, 0]) + (8192).to_bytes(4, "little") + (65536).to_bytes(4, "little")
        )
        file.write(bytes(48) + b"\x55\xaa")
    if tool("partx") is None:
        pytest.skip("partx (util-linux) is not installed")
    run("partx", "-u", node)  # also where the loop device's last user left partitions behind
    try:
        yield f"{node}p1"
    finally:
        run("partx", "-d", node)


def test_a_partition_is_not_a_card(backing: Path, node: str) -> None:
    with partition(backing, node) as part:
        error = refusal(part)
        assert error.code == "partition"
        assert node in error.message
        opened(node).close()


def test_a_mounted_partition_keeps_the_whole_device(tmp_path: Path, backing: Path, node: str) -> None:
    with partition(backing, node) as part:
        run("mkfs.ext4", "-q", "-F", part)
        with mounted(part, tmp_path / "point"):
            error = refusal(node)
            assert error.code == "in_use"
            assert str(tmp_path / "point") in error.message
        state = find(SlotConfig("left", device=node))
        assert state["contents"].startswith("MBR: ext4")


def test_swap_is_never_written(backing: Path, node: str) -> None:
    run("mkswap", node)
    swapon = subprocess.run([tool("swapon") or "swapon", node], capture_output=True, text=True, check=False)
    if swapon.returncode:
        pytest.skip(f"this machine allows no swap: {swapon.stderr.strip()}")
    try:
        assert refusal(node).code == "system_disk"
    finally:
        run("swapoff", node)


def test_a_device_below_another_loop_device_is_in_use(backing: Path, node: str) -> None:
    with loop_device(Path(node)) as upper:
        error = refusal(node)
        assert error.code == "in_use"
        assert upper in error.message


def test_a_file_behind_a_loop_device_is_no_free_card(backing: Path, node: str) -> None:
    error = refusal(str(backing))
    assert error.code == "in_use"
    assert node in error.message


def test_a_read_only_device_is_write_protected(backing: Path) -> None:
    with loop_device(backing, "-r") as node:
        error = refusal(node)
    assert isinstance(error, CardError)
    assert error.code == "write_protected"


@contextmanager
def read_only(node: str) -> Iterator[None]:
    """The slider moved. A loop device keeps this for its next file, so it is always moved back."""
    run("blockdev", "--setro", node)
    try:
        yield
    finally:
        run("blockdev", "--setrw", node)


def test_a_slider_moved_after_the_look_is_noticed_at_opening(backing: Path, node: str) -> None:
    devices = Devices()
    candidate = look(node, devices)
    check(candidate, devices, allow_non_removable=True)
    with read_only(node), pytest.raises(CardError) as caught:
        open_candidate(candidate, devices)
    assert caught.value.code == "write_protected"


def test_a_device_set_read_only_while_open_refuses_at_the_first_write(backing: Path, node: str) -> None:
    with opened(node) as card, read_only(node), pytest.raises(CardError) as caught:
        burn(image(9 * MIB), card, Recorder())
    assert caught.value.code == "write_protected"
    assert bytes_at(backing, 0, MIB) == b"\xa5" * MIB


def test_a_loop_device_takes_somebodys_word(backing: Path, node: str) -> None:
    error = refusal(node, allow=False)
    assert isinstance(error, SlotError)
    assert error.code == "not_removable"


def test_the_disk_of_the_system_is_refused_before_it_is_opened() -> None:
    devices = Devices()
    disk = devices.sysfs.disk_of(device_number(Path("/").stat().st_dev))
    if disk is None:
        pytest.skip("the root file system has no block device here (overlay or network)")
    with pytest.raises(SlotError) as caught:
        check(look(disk.node, devices), devices, allow_non_removable=True)
    assert caught.value.code in ("system_disk", "partition")


def test_another_card_in_the_same_reader_is_noticed(tmp_path: Path, backing: Path, node: str) -> None:
    """The node stays, the insertion changes: between look and opening, and after confirmation."""
    devices = Devices()
    candidate = look(node, devices)
    slot = SlotConfig("left", device=node)
    confirmed = find(slot)["diskseq"]
    run("losetup", "-d", node)
    run("losetup", "--direct-io=on", node, backing)
    with pytest.raises(SlotError) as caught:
        open_candidate(candidate, devices)
    assert caught.value.code == "card_changed"
    with pytest.raises(SlotError) as caught:
        open_card(slot, expect_diskseq=confirmed, lock_dir=tmp_path / "locks")
    assert caught.value.code == "card_changed"
    open_card(slot, expect_diskseq=find(slot)["diskseq"], lock_dir=tmp_path / "locks").close()


def test_a_device_without_a_card(backing: Path, node: str) -> None:
    os.truncate(backing, 0)
    run("losetup", "-c", node)
    assert refusal(node).code == "no_card"
    assert not find(SlotConfig("left", device=node))["present"]


class Pulled(FaultyCard):
    """The medium leaves while it is written or read, as the kernel shows it: size 0, reads of nothing."""

    backing: Path
    after = 0

    def write(self, data: memoryview, offset: int) -> int:
        self._pull()
        return self.inner.write(data, offset)

    def read_into(self, buffer: memoryview, offset: int) -> int:
        self._pull()
        return self.inner.read_into(buffer, offset)

    def _pull(self) -> None:
        self.after -= 1
        if self.after == 0:
            os.truncate(self.backing, 0)
            run("losetup", "-c", self.name)

    def present(self) -> bool:
        return self.inner.present()


@pytest.mark.parametrize("after", [1, 4, 9, 12, 16])
def test_a_card_pulled_at_any_time(backing: Path, node: str, after: int) -> None:
    with opened(node) as card:
        pulled = Pulled(card)
        pulled.backing, pulled.after = backing, after
        with pytest.raises(CardError) as caught:
            burn(image(94 * MIB, MAPPED), pulled, Recorder())
    assert caught.value.code == "card_gone"


def test_a_full_disk_behind_a_card_is_an_error_with_a_name(tmp_path: Path, backing: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder)
    try:
        (folder / "card").touch()
        os.truncate(folder / "card", 64 * MIB)
        with loop_device(folder / "card") as node, opened(node) as card:
            with pytest.raises(WorkError) as caught:
                burn(image(60 * MIB), card, Recorder())
            assert caught.value.code in ("bad_blocks", "io_error", "flush_failed")
            assert bytes_at(Path(node), 0, MIB) == bytes(MIB)
    finally:
        run("umount", folder)


@pytest.mark.parametrize("may_flush_buffers", [True, False])
def test_dropping_caches_needs_neither_luck_nor_capabilities(
    node: str, monkeypatch: pytest.MonkeyPatch, may_flush_buffers: bool
) -> None:
    def forbidden(handle: int, request: int, *rest: bytes) -> bytes:
        if request == ioctls._FLUSH_BUFFERS:
            raise PermissionError(errno.EACCES, "CAP_SYS_ADMIN is missing")
        return real(handle, request, *rest)

    real = fcntl.ioctl
    with opened(node) as card, open(node, "rb", buffering=0) as cached:
        cached.read(MIB)
        assert _is_in_memory(cached.fileno())
        if not may_flush_buffers:
            monkeypatch.setattr(ioctls.fcntl, "ioctl", forbidden)
        settle(card)
        assert not _is_in_memory(cached.fileno())


def _is_in_memory(handle: int) -> bool:
    try:
        return os.preadv(handle, [bytearray(4096)], 0, os.RWF_NOWAIT) > 0
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        pytest.skip("block devices here cannot tell what is in memory")


@pytest.mark.parametrize("wanted", [None, True])
def test_a_device_is_really_asked_to_erase(backing: Path, node: str, wanted: bool | None) -> None:
    """A loop device takes it and gives zeros; by itself the writer spares somebody's file."""
    source = image(12 * MIB, [(0, 8192), (5 * MIB, MIB)])
    with opened(node) as card:
        burn(source, card, Recorder(), Conditions(stamps=0, discard=wanted))
    assert_holds(backing, source)
    free = bytes_at(backing, 8 * MIB, MIB)
    assert free == (bytes(MIB) if wanted else b"\xa5" * MIB)
