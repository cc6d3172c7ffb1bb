from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from tests.doubles.cards import MIB, MemorySource, assert_holds, bytes_at, card_file, image
from workers.contract import CardResult, Step
from workers.errors import Canceled, CardError, JobError, WorkError
from workers.imaging.ranges import GRID, Range, total
from workers.report import Recorder
from workers.writer.burn import HOPELESS, burn
from workers.writer.card import FileCard
from workers.writer.conditions import Conditions
from workers.writer.faulty import FOREVER, FaultyCard, Spot
from workers.writer.plan import SMALL_GAP
from workers.writer.verdicts import BadBlocks

OLD = 0xA5
# Head, a small gap, a body with holes, something in the last 4 MiB.
MAPPED = [(0, 12_288), (20_480, 4096), (6 * MIB, 7 * MIB), (17 * MIB, 4096), (30 * MIB, MIB)]


@pytest.fixture
def source() -> MemorySource:
    return image(31 * MIB, MAPPED)


def failed(
    source: MemorySource, card: FaultyCard | FileCard, report: Recorder, conditions: Conditions | None = None
) -> WorkError:
    with pytest.raises(WorkError) as caught:
        burn(source, card, report, conditions)
    return caught.value


def test_all_mapped_ranges_are_on_the_card_and_proved(
    path: Path, card: FileCard, source: MemorySource, report: Recorder
) -> None:
    result = burn(source, card, report)
    assert_holds(path, source)
    assert report.steps == [Step.WIPING, Step.WRITING, Step.READING_BACK]
    assert report.done == report.total
    assert result.written_bytes == total(source.ranges)
    assert result.rewritten_ranges == 0
    assert result.write_rate > 0 < result.read_rate
    digests = [hashlib.sha256(source.data[r.offset : r.end]).digest() for r in source.ranges]
    assert result.read_back_sha256 == hashlib.sha256(b"".join(digests)).hexdigest()


def test_holes_stay_as_they_were_but_head_and_tail_are_zeroed(
    path: Path, card: FileCard, source: MemorySource, report: Recorder
) -> None:
    burn(source, card, report, Conditions(stamps=0))
    data = path.read_bytes()
    assert data[24_576:GRID] == bytes(GRID - 24_576), "the head beside its ranges"
    assert data[GRID : 6 * MIB] == bytes([OLD]) * (2 * MIB), "a hole"
    assert data[13 * MIB : 17 * MIB] == bytes([OLD]) * (4 * MIB), "a hole"
    assert data[17 * MIB + 4096 : 28 * MIB] == bytes([OLD]) * (11 * MIB - 4096), "a hole"
    assert data[28 * MIB : 30 * MIB] == bytes(2 * MIB), "the tail before its range"
    assert data[31 * MIB :] == bytes(MIB), "the tail behind the image"


def test_a_small_gap_is_filled_with_zeros_not_with_what_is_in_the_image(
    path: Path, card: FileCard, report: Recorder
) -> None:
    gap = 26 * MIB + 4096  # so late that its buffer has been used before
    source = image(27 * MIB, [(GRID, 20 * MIB), (26 * MIB, 4096), (gap + SMALL_GAP, 4096)])
    burn(source, card, report)
    assert bytes_at(path, gap, SMALL_GAP) == bytes(SMALL_GAP)
    assert_holds(path, source)


@pytest.mark.parametrize("odd", [-4096, -513, -512, -1, 1, 511, 512, 513, 4096])
@pytest.mark.parametrize("size", [4 * MIB, 9 * MIB, 26 * MIB])
def test_images_of_any_length(path: Path, card: FileCard, report: Recorder, size: int, odd: int) -> None:
    source = image(size + odd)
    burn(source, card, report)
    assert_holds(path, source)
    end = size + odd
    padding = -end % 4096
    assert bytes_at(path, end, padding) == bytes(padding)


def test_an_image_exactly_as_large_as_the_card(path: Path, card: FileCard, report: Recorder) -> None:
    source = image(32 * MIB)
    burn(source, card, report)
    assert_holds(path, source)


@pytest.mark.parametrize("size", [4096, 8192, MIB, 4 * MIB, 8 * MIB])
def test_tiny_cards(tmp_path: Path, report: Recorder, size: int) -> None:
    source = image(4096)
    path = card_file(tmp_path / "tiny", size)
    with FileCard.open(str(path)) as card:
        burn(source, card, report)
    assert_holds(path, source)
    assert bytes_at(path, 4096, min(size, GRID) - 4096) == bytes(min(size, GRID) - 4096)


def test_an_image_with_nothing_in_its_head(path: Path, card: FileCard, report: Recorder) -> None:
    source = image(12 * MIB, [(8 * MIB, MIB)])
    burn(source, card, report)
    assert_holds(path, source)
    assert bytes_at(path, 0, GRID) == bytes(GRID)


def test_digests_that_the_map_lacks_are_computed_on_the_way(
    path: Path, card: FileCard, report: Recorder
) -> None:
    with_digests, without = image(9 * MIB, MAPPED[:3]), image(9 * MIB, MAPPED[:3], digests=False)
    assert burn(without, card, report).read_back_sha256 == burn(with_digests, card, report).read_back_sha256
    assert_holds(path, without)


def test_the_source_is_tasted_then_read_once_body_first_ascending_then_head(
    card: FileCard, source: MemorySource, report: Recorder
) -> None:
    burn(source, card, report)
    body = [r for r in source.ranges if r.offset >= GRID]
    head = [r for r in source.ranges if r.offset < GRID]
    assert source.reads == [source.ranges[0], *body, *head]


def test_a_source_that_is_not_what_its_map_says_leaves_the_card_alone(
    path: Path, card: FileCard, source: MemorySource, report: Recorder
) -> None:
    class Lying(MemorySource):
        def read(self, wanted: Range, /) -> memoryview:
            raise JobError("wrong_image", f"bytes {wanted.offset} differ from the block map")

    error = failed(Lying(source.data, source.ranges), card, report)
    assert error.code == "wrong_image"
    assert bytes_at(path, 0, 32 * MIB) == bytes([OLD]) * 32 * MIB
    assert report.steps == []


def test_the_first_cell_is_zero_until_all_else_is_written(
    path: Path, card: FileCard, source: MemorySource, report: Recorder
) -> None:
    class Watching(FaultyCard):
        def write(self, data: memoryview, offset: int) -> int:
            if offset >= GRID and report.steps == [Step.WIPING, Step.WRITING]:
                assert bytes_at(path, 0, GRID) == bytes(GRID)
            if offset < GRID and report.steps == [Step.WIPING, Step.WRITING]:
                written = [r for r in source.ranges if r.offset >= GRID]
                for each in written:
                    assert bytes_at(path, each.offset, each.length) == source.data[each.offset : each.end]
            return super().write(data, offset)

    burn(source, Watching(card), report)


def test_a_card_that_is_too_small_is_not_touched(path: Path, card: FileCard, report: Recorder) -> None:
    error = failed(image(33 * MIB, [(0, 4096)]), card, report)
    assert error.code == "too_small"
    assert str(32 * MIB) in error.message
    assert str(33 * MIB) in error.message
    assert bytes_at(path, 0, 4096) == bytes([OLD]) * 4096
    assert report.steps == []


# Every place where an accident can happen: (at the head, at a body range, in the last cell).
PLACES = [0, 20_480, 6 * MIB + 5, 17 * MIB, 28 * MIB, 30 * MIB + 100]


@pytest.mark.parametrize("place", PLACES)
def test_a_flipped_bit_is_found_wherever_it_is_and_written_again(
    path: Path, card: FileCard, source: MemorySource, report: Recorder, place: int
) -> None:
    class FlipsOnce(FaultyCard):
        """Stores one byte wrongly, the first time it is written for good."""

        def write(self, data: memoryview, offset: int) -> int:
            count = super().write(data, offset)
            if report.steps[-1] is Step.READING_BACK or offset > place or place >= offset + count:
                return count
            if Step.WRITING in report.steps or (place >= 28 * MIB and Step.WIPING in report.steps):
                self.spoil(offset)
            return count

        spoiled = 0

        def spoil(self, _offset: int) -> None:
            self.spoiled += 1
            if self.spoiled == 1:
                with path.open("r+b") as file:
                    file.seek(place)
                    byte = file.read(1)[0]
                    file.seek(place)
                    file.write(bytes([byte ^ 1]))

    faulty = FlipsOnce(card)
    result = burn(source, faulty, report)
    assert_holds(path, source)
    if 28 * MIB <= place < 30 * MIB:
        assert bytes_at(path, 28 * MIB, 2 * MIB) == bytes(2 * MIB)
    assert result.rewritten_ranges >= (0 if place == 30 * MIB + 100 else 1)


def test_a_block_that_stays_bad_condemns_the_card_with_its_address(
    path: Path, card: FileCard, source: MemorySource, report: Recorder
) -> None:
    faulty = FaultyCard(card, flips=[Spot(17 * MIB + 9)])
    error = failed(source, faulty, report)
    assert isinstance(error, BadBlocks)
    assert error.code == "bad_blocks"
    assert [(r.offset, r.length) for r in error.ranges] == [(17 * MIB, 4096)]
    assert f"{17 * MIB}-{17 * MIB + 4095}" in error.message
    assert report.steps.count(Step.READING_BACK) == 3, "read back once, and after each of two rewrites"
    assert bytes_at(path, 0, GRID) == bytes(GRID), "nothing bootable is left"


@pytest.mark.parametrize("rewrites", [0, 1, 2, 5])
def test_the_number_of_rewrites(
    card: FileCard, source: MemorySource, report: Recorder, rewrites: int
) -> None:
    with pytest.raises(BadBlocks):
        burn(source, FaultyCard(card, flips=[Spot(17 * MIB)]), report, Conditions(rewrites=rewrites))
    assert report.steps.count(Step.READING_BACK) == 1 + rewrites


@pytest.mark.parametrize("times", [1, 2])
def test_a_block_that_recovers_within_two_rewrites_is_kept(
    path: Path, card: FileCard, source: MemorySource, report: Recorder, times: int
) -> None:
    result = burn(source, FaultyCard(card, flips=[Spot(17 * MIB, times=times)]), report)
    assert result.rewritten_ranges == times
    assert_holds(path, source)
    assert report.steps.count(Step.READING_BACK) == 2 + times, "all, the mended, and all again"


@pytest.mark.parametrize("kind", ["write_errors", "read_errors"])
def test_an_io_error_that_goes_away_is_mended(
    path: Path, card: FileCard, source: MemorySource, report: Recorder, kind: str
) -> None:
    result = burn(source, FaultyCard(card, **{kind: [Spot(17 * MIB, times=1)]}), report)
    assert result.rewritten_ranges == 1
    assert_holds(path, source)


@pytest.mark.parametrize("kind", ["write_errors", "read_errors"])
@pytest.mark.parametrize("place", [6 * MIB, 17 * MIB])
def test_an_io_error_that_stays_condemns_the_card(
    path: Path, card: FileCard, source: MemorySource, report: Recorder, kind: str, place: int
) -> None:
    error = failed(source, FaultyCard(card, **{kind: [Spot(place)]}), report)
    assert isinstance(error, BadBlocks)
    assert place in [r.offset for r in error.ranges]
    assert bytes_at(path, 0, GRID) == bytes(GRID)


@pytest.mark.parametrize("kind", ["write_errors", "read_errors"])
def test_one_piece_of_a_scattered_file_system_is_written_again(
    path: Path, card: FileCard, report: Recorder, kind: str
) -> None:
    scattered = [(3 * GRID + 8192 * number, 4096) for number in range(2 * HOPELESS)]
    source = image(20 * MIB, [(0, MIB), *scattered])
    result = burn(source, FaultyCard(card, **{kind: [Spot(3 * GRID + 8192, times=1)]}), report)
    assert result.rewritten_ranges == len(scattered)
    assert_holds(path, source)


def test_a_card_full_of_bad_blocks_is_given_up_at_once(tmp_path: Path, report: Recorder) -> None:
    size = 2 * HOPELESS * MIB
    path = tmp_path / "big"
    path.touch()
    os.truncate(path, size)
    source = image(size, [(start, 4096) for start in range(GRID, size, MIB)])
    with FileCard.open(str(path)) as card:
        error = failed(source, FaultyCard(card, flips=[Spot(at) for at in range(GRID, size, MIB)]), report)
    assert error.code == "bad_blocks"
    assert report.steps.count(Step.WRITING) == 1, "not written again"
    assert "1 tries" in error.message
    assert "more places" in error.message


@pytest.mark.parametrize(("stamps", "step"), [(64, Step.WIPING), (0, Step.WRITING)])
def test_a_card_that_refuses_all_writes_is_given_up_at_once(
    tmp_path: Path, report: Recorder, stamps: int, step: Step
) -> None:
    size = 2 * HOPELESS * MIB
    path = tmp_path / "big"
    path.touch()
    os.truncate(path, size)
    source = image(size, [(start, 4096) for start in range(GRID, size, MIB)])
    with FileCard.open(str(path)) as card:
        faulty = FaultyCard(card, write_errors=[Spot(GRID, size - 3 * GRID)])
        error = failed(source, faulty, report, Conditions(stamps=stamps))
    assert error.code == "bad_blocks"
    assert report.steps[-1] == step


def test_a_card_that_ignores_writes_is_found_before_anything_is_written(
    path: Path, card: FileCard, source: MemorySource, report: Recorder
) -> None:
    error = failed(source, FaultyCard(card, silently_read_only=True), report)
    assert error.code == "ignores_writes"
    assert report.steps == [Step.WIPING]
    assert path.read_bytes() == bytes([OLD]) * (32 * MIB)


def test_a_card_whose_end_does_not_exist_is_found_before_anything_is_written(
    card: FileCard, source: MemorySource, report: Recorder
) -> None:
    error = failed(source, FaultyCard(card, capacity=20 * MIB, drops=True), report)
    assert error.code == "fake_capacity"
    assert report.steps == [Step.WIPING]


@pytest.mark.parametrize("capacity", [20 * MIB - 4096, 14 * MIB, 31 * MIB])
def test_mending_one_place_of_a_forged_card_spoils_another_and_is_found(
    card: FileCard, source: MemorySource, report: Recorder, capacity: int
) -> None:
    error = failed(source, FaultyCard(card, capacity=capacity), report)
    assert error.code in ("fake_capacity", "bad_blocks")


def test_a_forged_card_whose_end_wraps_onto_a_good_place_is_found_by_reading_back(
    card: FileCard, report: Recorder
) -> None:
    """The end of the claimed size is the end of the real one, so that the stamps look right."""
    source = image(32 * MIB, [(0, 4096), (GRID, 24 * MIB)])
    error = failed(source, FaultyCard(card, capacity=16 * MIB), report)
    assert error.code == "bad_blocks"


@pytest.mark.parametrize("after", [0, 4096, 5 * MIB, 12 * MIB, 20 * MIB, 24 * MIB, 28 * MIB])
def test_a_card_pulled_at_any_time_is_gone(
    card: FileCard, source: MemorySource, report: Recorder, after: int
) -> None:
    error = failed(source, FaultyCard(card, gone_after=after), report)
    assert isinstance(error, CardError)
    assert error.code == "card_gone"


def test_write_protection_shows_at_the_first_write(
    path: Path, card: FileCard, source: MemorySource, report: Recorder
) -> None:
    spot = Spot(0, 32 * MIB, errno=errno.EPERM)
    assert failed(source, FaultyCard(card, write_errors=[spot]), report).code == "write_protected"
    assert path.read_bytes() == bytes([OLD]) * (32 * MIB)


def test_a_failed_flush_ends_the_writing(path: Path, card: FileCard, report: Recorder) -> None:
    class LateFlushError(FaultyCard):
        def flush(self) -> None:
            if report.steps[-1] is Step.WRITING and bytes_at(path, 0, 16) != bytes(16):
                raise OSError(errno.EIO, "lost in the cache")
            super().flush()

    assert failed(image(9 * MIB), LateFlushError(card), report).code == "flush_failed"
    assert bytes_at(path, 0, GRID) == bytes(GRID)


@pytest.mark.parametrize("at_most", [4096, 100_000])
def test_short_writes_and_reads_do_no_harm(
    path: Path, card: FileCard, report: Recorder, at_most: int
) -> None:
    source = image(9 * MIB, [(0, MIB), (5 * MIB, MIB)])
    burn(source, FaultyCard(card, at_most=at_most), report)
    assert_holds(path, source)


class CancelsAt(Recorder):
    """Somebody cancels in this step, after so many bytes."""

    def __init__(self, step: Step, done: int = 0) -> None:
        super().__init__()
        self.at = (step, done)
        self.checks_after = 0

    def progress(self, done: int) -> None:
        super().progress(done)
        if self.steps[-1] is self.at[0] and done >= self.at[1]:
            self.canceled.set()

    def check(self) -> None:
        self.checks_after += self.canceled.is_set()
        super().check()


@pytest.mark.parametrize(
    "report",
    [
        CancelsAt(Step.WIPING),
        CancelsAt(Step.WRITING),
        CancelsAt(Step.WRITING, 5 * MIB),
        CancelsAt(Step.READING_BACK),
        CancelsAt(Step.READING_BACK, 9 * MIB),
    ],
    ids=lambda report: f"{report.at[0]}-{report.at[1]}",
)
def test_a_cancel_is_heard_at_the_next_buffer_and_leaves_nothing_bootable(
    path: Path, card: FileCard, source: MemorySource, report: CancelsAt
) -> None:
    with pytest.raises(Canceled):
        burn(source, card, report)
    assert report.checks_after == 1
    assert report.steps[-1] is report.at[0]
    assert bytes_at(path, 0, GRID) == bytes(GRID)


def test_what_the_source_raises_comes_out_and_leaves_nothing_bootable(
    path: Path, card: FileCard, source: MemorySource, report: Recorder
) -> None:
    class Damaged(MemorySource):
        def read(self, wanted: Range, /) -> memoryview:
            if wanted.offset == 17 * MIB:
                raise JobError("bad_image", "wrong digest")
            return super().read(wanted)

    error = failed(Damaged(source.data, source.ranges), card, report)
    assert error.code == "bad_image"
    assert bytes_at(path, 0, GRID) == bytes(GRID)
    assert bytes_at(path, 17 * MIB, 4096) == bytes([OLD]) * 4096, "unproved bytes reach no card"


def test_a_head_that_cannot_be_emptied_is_said_and_hides_nothing(
    path: Path, card: FileCard, source: MemorySource, report: Recorder
) -> None:
    class Stubborn(FaultyCard):
        def write(self, data: memoryview, offset: int) -> int:
            if offset == 0 and Step.READING_BACK in report.steps:
                raise OSError(errno.EIO, "no more")
            return super().write(data, offset)

    error = failed(source, Stubborn(card, flips=[Spot(17 * MIB)]), report)
    assert error.code == "bad_blocks", "the cause, not its sequel"
    assert any("could not be emptied" in line for line in report.lines)


def test_the_result_in_the_shape_of_the_contract(
    card: FileCard, source: MemorySource, report: Recorder
) -> None:
    result = burn(source, card, report)
    told = result.as_result("left")
    assert set(told) == set(CardResult.__annotations__) - {"per_card"}, "that is told with its papers"
    assert told["slot"] == "left"
    assert told["card_bytes"] == 32 * MIB
    assert told["diskseq"] == card.identity().diskseq
    assert told["device"]["node"] == card.name
    assert told["read_back_sha256"] == result.read_back_sha256


def test_burning_twice_gives_the_same(card: FileCard, source: MemorySource, report: Recorder) -> None:
    first, second = burn(source, card, report), burn(source, card, report)
    assert first.read_back_sha256 == second.read_back_sha256


@pytest.mark.parametrize("times", [1, FOREVER])
def test_the_last_cell_is_proved_too(path: Path, card: FileCard, report: Recorder, times: int) -> None:
    """Beside the image: zeros that must be there, so that no old partition table's copy survives."""
    source = image(9 * MIB)
    faulty = FaultyCard(card, flips=[Spot(29 * MIB, times=times)])
    if times == FOREVER:
        assert failed(source, faulty, report).code == "bad_blocks"
    else:
        assert burn(source, faulty, report).rewritten_ranges == 1
        assert bytes_at(path, 28 * MIB, 4 * MIB) == bytes(4 * MIB)


def test_an_end_that_is_another_name_of_the_beginning_is_a_forgery(
    card: FileCard, source: MemorySource, report: Recorder
) -> None:
    error = failed(source, FaultyCard(card, capacity=32 * MIB - 4096), report)
    assert error.code == "fake_capacity"
    assert report.steps == [Step.WIPING]


def test_nothing_is_read_before_it_was_flushed_and_forgotten(
    path: Path, card: FileCard, source: MemorySource, report: Recorder
) -> None:
    class Strict(FaultyCard):
        state = "settled"

        def write(self, data: memoryview, offset: int) -> int:
            self.state = "written"
            return super().write(data, offset)

        def flush(self) -> None:
            self.state = "flushed"
            super().flush()

        def drop_caches(self) -> None:
            assert self.state in ("flushed", "settled")
            self.state = "settled"
            super().drop_caches()

        def read_into(self, buffer: memoryview, offset: int) -> int:
            assert self.state == "settled"
            return super().read_into(buffer, offset)

    burn(source, Strict(card, flips=[Spot(17 * MIB, times=1)]), report)
    assert_holds(path, source)


def test_speed_and_latencies_are_kept(card: FileCard, source: MemorySource, report: Recorder) -> None:
    told = burn(source, card, report).as_result("left")
    assert told["write_latency"]["calls"] > len(source.ranges)
    assert told["read_latency"]["calls"] > len(source.ranges)
    assert sum(told["write_latency"]["buckets"]) == told["write_latency"]["calls"]
    assert told["depth"] == 4
    assert len(json.dumps(told)) < 4096


@pytest.mark.parametrize(
    ("conditions", "verb", "steps"),
    [
        (Conditions(min_write_rate=1e15), "writes", 2),
        (Conditions(min_read_rate=1e15), "reads", 3),
    ],
)
def test_a_card_slower_than_asked_is_refused_with_limit_and_figure(
    path: Path, card: FileCard, report: Recorder, conditions: Conditions, verb: str, steps: int
) -> None:
    error = failed(image(24 * MIB), card, report, conditions)
    assert isinstance(error, CardError)
    assert error.code == "too_slow"
    assert verb in error.message
    assert "1000 TB" in error.message
    assert "MB a second" in error.message or "GB a second" in error.message
    assert len(report.steps) == steps
    assert bytes_at(path, 0, GRID) == bytes(GRID)


def test_a_slow_download_does_not_make_a_card_slow(
    path: Path, card: FileCard, report: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = [0.0]

    class Arriving(MemorySource):
        """Its first piece takes so long that the card waits for an hour."""

        def read_into(self, wanted: Range, buffer: memoryview, /) -> None:
            late[0] = 3600.0
            super().read_into(wanted, buffer)

    for clock in ("monotonic", "perf_counter"):
        real = getattr(time, clock)
        monkeypatch.setattr(time, clock, lambda real=real: real() + late[0])
    source = image(24 * MIB)
    burn(Arriving(source.data, source.ranges), card, report, Conditions(min_write_rate=2e4))
    assert_holds(path, source)


def test_a_small_image_says_nothing_about_speed(card: FileCard, report: Recorder) -> None:
    burn(image(9 * MIB), card, report, Conditions(min_write_rate=1e15, min_read_rate=1e15))


@pytest.mark.parametrize("place", [0, 28 * MIB])
def test_an_error_while_wiping_that_passes_does_no_harm(
    path: Path, card: FileCard, source: MemorySource, report: Recorder, place: int
) -> None:
    burn(source, FaultyCard(card, write_errors=[Spot(place, times=1)]), report)
    assert_holds(path, source)


def test_an_error_while_wiping_that_stays_names_the_place(
    card: FileCard, source: MemorySource, report: Recorder
) -> None:
    error = failed(source, FaultyCard(card, write_errors=[Spot(28 * MIB)]), report)
    assert error.code == "bad_blocks"
    assert f"bytes {28 * MIB}-" in error.message
