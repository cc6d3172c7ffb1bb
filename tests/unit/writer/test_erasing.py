"""Erasing before writing: only where a card truly can, and never trusted."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles.cards import MIB, MemorySource, assert_holds, bytes_at, card_file, image
from workers.errors import Canceled, CardError
from workers.report import Recorder
from workers.writer import erasing
from workers.writer.burn import burn
from workers.writer.card import FileCard, aligned
from workers.writer.conditions import Conditions
from workers.writer.erasing import erasable
from workers.writer.faulty import FaultyCard
from workers.writer.identity import Identity

SIZE = 32 * MIB
MAPPED = [(0, 8192), (5 * MIB, 3 * MIB), (20 * MIB, 4096)]


class Erasing(FaultyCard):
    """A real card, by what sysfs says of it in `place`. What it gives up reads as something else."""

    place: Path
    refusal = 0

    def __init__(self, card: FileCard, place: Path) -> None:
        super().__init__(card)
        self.place = place
        self.erased: list[tuple[int, int]] = []

    def identity(self) -> Identity:
        return replace(super().identity(), place=str(self.place))

    def discard(self, offset: int, length: int) -> None:
        if self.refusal:
            raise OSError(self.refusal, "no")
        self.erased.append((offset, length))
        buffer = aligned(length)
        buffer[:] = b"\xee" * length
        self.inner.write(buffer, offset)


def sysfs(folder: Path, limit: str = "4194304", granularity: str = "4194304") -> Path:
    (folder / "queue").mkdir(parents=True)
    (folder / "queue/discard_max_bytes").write_text(limit + "\n")
    (folder / "queue/discard_granularity").write_text(granularity + "\n")
    return folder


@pytest.fixture
def source() -> MemorySource:
    return image(24 * MIB, MAPPED)


@pytest.fixture
def erasing_card(card: FileCard, tmp_path: Path) -> Erasing:
    return Erasing(card, sysfs(tmp_path / "sys/devices/usb2/block/sda"))


def test_all_but_the_zeroed_ends_is_erased_and_nothing_of_it_is_trusted(
    path: Path, erasing_card: Erasing, source: MemorySource, report: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "PIECE", 10 * MIB)
    result = burn(source, erasing_card, report)
    assert erasing_card.erased == [(4 * MIB, 10 * MIB), (14 * MIB, 10 * MIB), (24 * MIB, 4 * MIB)]
    assert_holds(path, source)
    assert bytes_at(path, 8192, 4 * MIB - 8192) == bytes(4 * MIB - 8192), "zeros that matter are written"
    assert bytes_at(path, 28 * MIB, 4 * MIB) == bytes(4 * MIB)
    assert result.stamps > 0, "stamped afterwards, and found in the end"
    assert b"\xa5" * 64 not in bytes_at(path, 4 * MIB, 24 * MIB), "what was there before is gone"


@pytest.mark.parametrize("tail", [SIZE - 4096, SIZE - MIB])
def test_a_tail_across_a_cell_stays_zeroed(tmp_path: Path, report: Recorder, tail: int) -> None:
    """The last 4 MiB of a card of odd size are two pieces."""
    path = card_file(tmp_path / "odd", tail)
    with FileCard.open(str(path)) as card:
        odd = Erasing(card, sysfs(tmp_path / "sys/sda"))
        burn(image(MIB), odd, report)
    assert max(offset + length for offset, length in odd.erased) == tail - 4 * MIB
    assert bytes_at(path, tail - 4 * MIB, 4 * MIB) == bytes(4 * MIB)


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EIO, errno.EINVAL, errno.ETIMEDOUT, errno.EPERM])
def test_a_card_that_refuses_is_written_without(
    path: Path, erasing_card: Erasing, source: MemorySource, report: Recorder, number: int
) -> None:
    erasing_card.refusal = number
    burn(source, erasing_card, report)
    assert_holds(path, source)
    assert any("does not erase" in line for line in report.lines)


def test_a_card_that_is_slow_at_it_is_written_without_the_rest(
    path: Path, erasing_card: Erasing, source: MemorySource, report: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "PIECE", 10 * MIB)
    monkeypatch.setattr(erasing, "PATIENCE", -1.0)
    burn(source, erasing_card, report)
    assert erasing_card.erased == []
    assert any("takes too long" in line for line in report.lines)
    assert_holds(path, source)


def test_a_pulled_card_is_gone(erasing_card: Erasing, source: MemorySource, report: Recorder) -> None:
    erasing_card.refusal = errno.ENODEV
    erasing_card.present = lambda: False  # type: ignore[method-assign]
    with pytest.raises(CardError) as caught:
        burn(source, erasing_card, report)
    assert caught.value.code == "card_gone"


def test_a_cancel_is_heard_between_two_pieces(
    erasing_card: Erasing, source: MemorySource, report: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "PIECE", MIB)
    was = erasing_card.discard

    def discard(offset: int, length: int) -> None:
        was(offset, length)
        report.canceled.set()

    erasing_card.discard = discard  # type: ignore[method-assign]
    with pytest.raises(Canceled):
        burn(source, erasing_card, report)
    assert len(erasing_card.erased) == 1


def test_no_piece_is_so_long_that_a_cancel_waits(tmp_path: Path, report: Recorder) -> None:
    """A slow card erases 16 MiB in a second."""
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, 96 * MIB)
    with FileCard.open(str(path)) as card:
        large = Erasing(card, sysfs(tmp_path / "sys/sda"))
        burn(image(MIB), large, report)
    assert sum(length for _, length in large.erased) == 88 * MIB
    assert max(length for _, length in large.erased) <= 32 * MIB


def test_what_is_to_be_compared_is_not_erased(
    path: Path, erasing_card: Erasing, source: MemorySource, report: Recorder
) -> None:
    burn(source, erasing_card, report)
    erasing_card.erased = []
    assert burn(source, erasing_card, report).skipped_bytes > 0
    assert erasing_card.erased == []
    assert_holds(path, source)


@pytest.mark.parametrize(
    ("place", "limit", "granularity", "wanted", "asked"),
    [
        ("devices/pci0/usb2/block/sda", "4194304", "512", None, True),
        ("devices/platform/mmc_host/block/mmcblk1", "4194304", "4194304", True, True),
        ("devices/pci0/usb2/block/sda", "4194304", "512", False, False),
        ("devices/pci0/usb2/block/sda", "0", "512", None, False),
        ("devices/pci0/usb2/block/sda", "0", "512", True, False),
        ("devices/pci0/usb2/block/sda", "4194304", "0", True, False),
        ("devices/virtual/block/loop0", "4194304", "4096", None, False),
        ("devices/virtual/block/loop0", "4194304", "4096", True, True),
    ],
)
def test_only_where_it_truly_can(
    card: FileCard,
    tmp_path: Path,
    place: str,
    limit: str,
    granularity: str,
    wanted: bool | None,
    asked: bool,
) -> None:
    assert erasable(Erasing(card, sysfs(tmp_path / place, limit, granularity)), wanted) is asked


def test_a_file_is_never_asked(card: FileCard, source: MemorySource, report: Recorder, path: Path) -> None:
    burn(source, card, report, Conditions(discard=True, stamps=0))
    assert not any("does not erase" in line for line in report.lines)
    assert_holds(path, source)
    assert bytes_at(path, 22 * MIB, MIB) == b"\xa5" * MIB
