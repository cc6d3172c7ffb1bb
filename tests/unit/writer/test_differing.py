"""Writing a card anew: only what differs, with the same outcome."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.doubles.cards import MIB, MemorySource, assert_holds, card_file, image
from workers.contract import Step
from workers.imaging.ranges import GRID
from workers.report import Recorder
from workers.writer.burn import burn
from workers.writer.card import FileCard, aligned
from workers.writer.conditions import Conditions
from workers.writer.faulty import FaultyCard, Spot
from workers.writer.plan import SMALL_GAP
from workers.writer.result import BurnResult
from workers.writer.stamps import recognized

# Many pieces, small gaps among them, the last cell too.
MAPPED = [(0, MIB), *((at * GRID, 2 * MIB) for at in range(1, 7)), (28 * MIB, 8192), (28 * MIB + 12288, 4096)]
SIZE = 36 * MIB


def newer(source: MemorySource, *spots: int) -> MemorySource:
    """The next version of an image: these bytes differ."""
    data = bytearray(source.data)
    for spot in spots:
        data[spot] ^= 1
    fresh = image(len(data), [(r.offset, r.length) for r in source.ranges])
    return MemorySource(bytes(data), image_ranges(bytes(data), fresh))


def image_ranges(data: bytes, like: MemorySource):  # type: ignore[no-untyped-def]
    import hashlib

    from workers.imaging.ranges import Range

    return [
        Range(each.offset, each.length, hashlib.sha256(data[each.offset : each.end]).hexdigest())
        for each in like.ranges
    ]


class Counting(FaultyCard):
    """Remembers where the image was written."""

    def __init__(self, card: FileCard, report: Recorder) -> None:
        super().__init__(card)
        self.report = report
        self.places: list[int] = []

    def write(self, data: memoryview, offset: int) -> int:
        if self.report.steps[-1:] == [Step.WRITING]:
            self.places.append(offset)
        return super().write(data, offset)


@pytest.fixture
def source() -> MemorySource:
    return image(30 * MIB, MAPPED)


@pytest.fixture
def path(tmp_path: Path, source: MemorySource) -> Path:
    """A card that holds the image."""
    path = card_file(tmp_path / "card", SIZE)
    write(path, source)
    return path


def write(path: Path, source: MemorySource, **options: object) -> BurnResult:
    with FileCard.open(str(path)) as card:
        return burn(source, card, Recorder(), Conditions(**options))  # type: ignore[arg-type]


def test_only_what_differs_is_written(path: Path, source: MemorySource, report: Recorder) -> None:
    second = newer(source, 9 * MIB + 5)
    with FileCard.open(str(path)) as card:
        counting = Counting(card, report)
        result = burn(second, counting, report)
    assert_holds(path, second)
    assert sorted(counting.places) == [0, 2 * GRID], "what differs, and the head, which was wiped"
    assert result.skipped_bytes == 5 * 2 * MIB + 16384
    assert result.written_bytes == sum(each.length for each in second.ranges)
    assert report.steps == [Step.WIPING, Step.CHECKING, Step.WRITING, Step.READING_BACK]
    assert any("written here before" in line for line in report.lines)


def test_a_byte_in_a_small_gap_differs_too(path: Path, source: MemorySource) -> None:
    with path.open("r+b") as file:
        file.seek(28 * MIB + 8192 + 100)
        file.write(b"x")
    write(path, source)
    assert path.read_bytes()[28 * MIB + 8192 : 28 * MIB + 12288] == bytes(4096)


@pytest.mark.parametrize(
    "doubt", ["asked for", "a stamp is gone", "another image", "no digests", "no stamps"]
)
def test_everything_is_written_when_in_doubt(
    path: Path, source: MemorySource, report: Recorder, doubt: str
) -> None:
    second = source
    if doubt == "a stamp is gone":
        with FileCard.open(str(path)) as card:
            found = recognized(card)
            assert found
            card.write(aligned(4096), found.places[7])
    if doubt == "another image":
        second = image(30 * MIB, MAPPED, seed=2)
    if doubt == "no digests":
        second = image(30 * MIB, MAPPED, digests=False)
    if doubt == "no stamps":
        card_file(path, SIZE)
    with FileCard.open(str(path)) as card:
        result = burn(second, card, report, Conditions(differential=doubt != "asked for"))
    assert result.skipped_bytes == 0
    assert Step.CHECKING not in report.steps
    assert_holds(path, second)


def test_what_goes_bad_after_the_comparison_is_found_in_the_end(
    path: Path, source: MemorySource, report: Recorder
) -> None:
    class Decays(FaultyCard):
        def read_into(self, buffer: memoryview, offset: int) -> int:
            self.flips = [Spot(5 * MIB)] if report.steps[-1:] == [Step.READING_BACK] else []
            return super().read_into(buffer, offset)

    from workers.writer.verdicts import BadBlocks

    with FileCard.open(str(path)) as card, pytest.raises(BadBlocks):
        burn(source, Decays(card), report)


def test_little_that_was_written_says_nothing_about_speed(path: Path, source: MemorySource) -> None:
    assert write(path, source, min_write_rate=1e15).skipped_bytes > 0


spots = st.lists(st.integers(0, 30 * MIB - 1), max_size=8)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spots=spots, dirt=spots, gap=st.integers(0, SMALL_GAP))
def test_the_outcome_is_byte_for_byte_that_of_writing_everything(
    path: Path, source: MemorySource, spots: list[int], dirt: list[int], gap: int
) -> None:
    """Whatever differs between the versions, and whatever was spoiled on the card meanwhile."""
    before = bytearray(path.read_bytes())
    for each in dirt:
        before[each] ^= 0xFF
    second = newer(source, *spots)
    outcomes = []
    number = random.Random(gap).randbytes(16)
    for differential in (True, False):
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            copy = Path(folder) / "copy"
            copy.write_bytes(before)
            write(copy, second, differential=differential, number=number)
            outcomes.append(copy.read_bytes())
    assert outcomes[0] == outcomes[1]
