"""Readers that are reset in the middle: the card comes back, or another one, or none."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.doubles.cards import MIB, MemorySource, assert_holds, bytes_at, card_file, image
from workers.contract import Fault, Step
from workers.errors import Canceled, SlotError, WorkError
from workers.imaging.ranges import GRID, Range
from workers.report import Recorder
from workers.writer.burn import burn
from workers.writer.card import FileCard, aligned
from workers.writer.conditions import Conditions
from workers.writer.faulty import FaultyCard
from workers.writer.plan import Piece
from workers.writer.returning import MOST, RECENT, recent
from workers.writer.transfer import Gone, write_fully

MAPPED = [(0, MIB), (6 * MIB, 14 * MIB), (25 * MIB, MIB)]
WIPED = 8 * MIB + 64 * 4096 + 4 * 8192  # bytes moved before the first byte of the image

LATE = [WIPED + 17 * MIB, WIPED + 20 * MIB, WIPED + 31 * MIB]  # the head is going or gone to the card


@pytest.fixture
def source() -> MemorySource:
    return image(28 * MIB, MAPPED)


@dataclass
class Way:
    """The card is back after so many looks; then it goes again after `again` more bytes, so many times."""

    card: FaultyCard
    looks: int = 2
    other: FileCard | None = None
    loses: int | None = None
    again: int | None = None
    asked: list[int] = field(default_factory=list)
    refusal: WorkError | None = None

    def reopen(self) -> bool:
        self.looks -= 1
        if self.looks > 0:
            return False
        if self.other:
            self.card.inner = self.other
        self.card.gone_after = self.card.moved + self.again if self.again else None
        if self.loses is not None:
            self.card.inner.write(aligned(MIB), self.loses)
        return True

    def permitted(self) -> None:
        self.asked.append(self.card.moved)
        if self.refusal:
            raise self.refusal

    def conditions(self) -> Conditions:
        away = 0.01 if self.looks > 9 else 60
        return Conditions(returning=self, away=away, depth=1, differential=False)


def gone_in(card: FileCard, after: int) -> FaultyCard:
    return FaultyCard(card, gone_after=after)


@pytest.mark.parametrize(
    "after", [WIPED + 100, WIPED + 6 * MIB, WIPED + 15 * MIB, WIPED + 17 * MIB, WIPED + 26 * MIB]
)
def test_the_same_card_is_written_to_its_end(
    path: Path, card: FileCard, source: MemorySource, report: Recorder, after: int
) -> None:
    faulty = gone_in(card, after)
    way = Way(faulty)
    result = burn(source, faulty, report, way.conditions())
    assert_holds(path, source)
    assert result.returns == 1
    assert len(way.asked) == 1
    assert any("is gone" in line for line in report.lines)
    assert any("same card is back" in line for line in report.lines)


def test_what_was_finished_is_not_written_again_but_what_was_lost_is(
    path: Path, card: FileCard, source: MemorySource, report: Recorder
) -> None:
    writes: list[int] = []

    class Counting(FaultyCard):
        def write(self, data: memoryview, offset: int) -> int:
            count = super().write(data, offset)
            if report.steps[-1] is Step.WRITING:
                writes.append(offset)
            return count

    faulty = Counting(card, gone_after=WIPED + 11 * MIB)
    result = burn(source, faulty, report, Way(faulty, loses=8 * MIB).conditions())
    assert_holds(path, source)
    assert result.returns == 1
    assert result.rewritten_ranges == 0, "it was found at once, not at the end"
    assert writes.count(6 * MIB) == 1
    assert writes.count(8 * MIB) == 2


@pytest.mark.parametrize("after", [WIPED + 11 * MIB, WIPED + 26 * MIB])
def test_a_reader_that_was_reset_does_not_make_a_card_slow(
    path: Path, card: FileCard, source: MemorySource, report: Recorder, after: int
) -> None:
    faulty = gone_in(card, after)
    conditions = replace(Way(faulty).conditions(), min_read_rate=1e15)
    assert burn(source, faulty, report, conditions).returns == 1
    assert_holds(path, source)


class Overtaken(MemorySource):
    """Hangs in its second reading until `let_go`; tells when another reading overtakes it."""

    def __init__(self, source: MemorySource) -> None:
        super().__init__(source.data, source.ranges)
        self.hangs, self.let_go = threading.Event(), threading.Event()
        self.inside, self.most, self.begun = 0, 0, 0

    def read_into(self, wanted: Range, buffer: memoryview, /) -> None:
        self.begun += 1
        self.inside += 1
        self.most = max(self.most, self.inside)
        if self.begun == 2:
            self.hangs.set()
            assert self.let_go.wait(60)
        super().read_into(wanted, buffer)
        self.inside -= 1


def test_a_reading_that_hangs_through_a_return_is_not_overtaken(
    path: Path, card: FileCard, source: MemorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.writer.traffic._LEAVING", 0.01)
    slow = Overtaken(source)

    class Waiting(FaultyCard):
        def write(self, data: memoryview, offset: int) -> int:
            if offset == 6 * MIB:
                assert slow.hangs.wait(60)
            return super().write(data, offset)

    class Releasing(Recorder):
        back = False

        def log(self, line: str) -> None:
            super().log(line)
            self.back = self.back or "same card is back" in line

        def check(self) -> None:
            if self.back:  # asked while the first piece is waited for: its reading has begun, or waits
                slow.let_go.set()

    faulty = Waiting(card, gone_after=WIPED + 100)
    assert burn(slow, faulty, Releasing(), Way(faulty).conditions()).returns == 1
    assert slow.most == 1
    assert_holds(path, source)


@pytest.mark.parametrize("after", [WIPED + 11 * MIB, *LATE])
def test_another_card_is_left_alone(
    tmp_path: Path, card: FileCard, source: MemorySource, report: Recorder, after: int
) -> None:
    second = card_file(tmp_path / "second", 32 * MIB, fill=0x77)
    with FileCard.open(str(second)) as other:
        faulty = gone_in(card, after)
        way = Way(faulty, other=other)
        with pytest.raises(SlotError) as caught:
            burn(source, faulty, report, way.conditions())
    assert (caught.value.fault, caught.value.code) == (Fault.SLOT, "other_card")
    assert second.read_bytes() == bytes([0x77]) * (32 * MIB)
    assert way.asked == [], "nobody is asked about a card that is not ours"


@pytest.mark.parametrize("after", LATE)
def test_a_cancel_before_the_card_is_proved_the_same_leaves_it_alone(
    tmp_path: Path, card: FileCard, source: MemorySource, report: Recorder, after: int
) -> None:
    class Canceling(Way):
        def reopen(self) -> bool:
            if back := super().reopen():
                raise Canceled
            return back

    second = card_file(tmp_path / "second", 32 * MIB, fill=0x77)
    with FileCard.open(str(second)) as other:
        faulty = gone_in(card, after)
        with pytest.raises(Canceled):
            burn(source, faulty, report, Canceling(faulty, other=other).conditions())
    assert second.read_bytes() == bytes([0x77]) * (32 * MIB)
    assert any("left as it is" in line for line in report.lines)


@pytest.mark.parametrize("after", LATE)
def test_not_even_the_beginning_is_emptied_without_permission(
    path: Path, card: FileCard, source: MemorySource, report: Recorder, after: int
) -> None:
    held: list[bytes] = []

    class Refused(Way):
        def permitted(self) -> None:
            held.append(path.read_bytes())
            raise SlotError("insertion_used", "no")

    faulty = gone_in(card, after)
    with pytest.raises(SlotError):
        burn(source, faulty, report, Refused(faulty).conditions())
    assert held == [path.read_bytes()]


@pytest.mark.parametrize("after", LATE)
def test_a_card_that_came_back_with_permission_is_emptied_when_it_fails_later(
    path: Path, card: FileCard, source: MemorySource, after: int
) -> None:
    class Ending(Recorder):
        def log(self, line: str) -> None:
            super().log(line)
            if "same card is back" in line:
                self.canceled.set()

    faulty = gone_in(card, after)
    with pytest.raises(Canceled):
        burn(source, faulty, Ending(), Way(faulty).conditions())
    assert bytes_at(path, 0, GRID) == bytes(GRID)


def test_the_card_of_another_writing_of_the_same_image_is_another_card(
    tmp_path: Path, card: FileCard, source: MemorySource, report: Recorder
) -> None:
    second = card_file(tmp_path / "second", 32 * MIB)
    with FileCard.open(str(second)) as other:
        burn(source, other, Recorder())
        before = second.read_bytes()
        faulty = gone_in(card, WIPED + 11 * MIB)
        with pytest.raises(SlotError) as caught:
            burn(source, faulty, report, Way(faulty, other=other).conditions())
    assert caught.value.code == "other_card"
    assert second.read_bytes() == before


def test_a_card_of_another_size_is_another_card(
    tmp_path: Path, card: FileCard, source: MemorySource, report: Recorder
) -> None:
    with FileCard.open(str(card_file(tmp_path / "second", 40 * MIB))) as other:
        faulty = gone_in(card, WIPED + 11 * MIB)
        with pytest.raises(SlotError) as caught:
            burn(source, faulty, report, Way(faulty, other=other).conditions())
    assert caught.value.code == "other_card"


def test_a_card_that_stays_away_is_gone(card: FileCard, source: MemorySource, report: Recorder) -> None:
    faulty = gone_in(card, WIPED + 11 * MIB)
    with pytest.raises(WorkError) as caught:
        burn(source, faulty, report, Way(faulty, looks=10**9).conditions())
    assert caught.value.code == "card_gone"


def test_a_cancel_is_heard_while_waiting_for_the_return(
    card: FileCard, source: MemorySource, report: Recorder
) -> None:
    class Impatient(Recorder):
        def log(self, line: str) -> None:
            super().log(line)
            self.canceled.set()

    faulty = gone_in(card, WIPED + 11 * MIB)
    with pytest.raises(Canceled):
        burn(source, faulty, Impatient(), Way(faulty, looks=5).conditions())


def test_a_reader_that_is_reset_again_and_again_is_given_up(
    card: FileCard, source: MemorySource, report: Recorder
) -> None:
    faulty = gone_in(card, WIPED + 6 * MIB)
    way = Way(faulty, again=WIPED // 4)
    with pytest.raises(WorkError) as caught:
        burn(source, faulty, report, way.conditions())
    assert caught.value.code == "card_gone"
    assert sum("is gone" in line for line in report.lines) == MOST


def test_a_full_card_has_no_stamp_to_be_known_by(card: FileCard, report: Recorder) -> None:
    faulty = gone_in(card, 20 * MIB)
    way = Way(faulty)
    with pytest.raises(WorkError) as caught:
        burn(image(32 * MIB), faulty, report, way.conditions())
    assert caught.value.code == "card_gone"
    assert way.looks == 2, "nobody waited"


def test_nothing_is_written_without_the_word_of_whoever_allowed_it(
    path: Path, card: FileCard, source: MemorySource, report: Recorder
) -> None:
    faulty = gone_in(card, WIPED + 11 * MIB)
    refusal = SlotError("insertion_used", "no")
    with pytest.raises(SlotError) as caught:
        burn(source, faulty, report, replace(Way(faulty, refusal=refusal).conditions(), depth=1))
    assert caught.value is refusal
    assert bytes_at(path, 25 * MIB, MIB) == b"\xa5" * MIB
    assert bytes_at(path, 0, GRID) == bytes(GRID)


def test_a_card_takes_what_is_opened_in_its_place_and_keeps_its_locks(tmp_path: Path) -> None:
    first, second = (card_file(tmp_path / name, 8 * MIB) for name in ("first", "second"))
    inside, lock = os.pipe()
    card = FileCard.open(str(first))
    card.close_with(lock)
    card.reopen(lambda: FileCard.open(str(second)))
    assert card.identity().node == str(second)
    card.write(aligned(4096), 0)
    assert bytes_at(second, 0, 4096) == bytes(4096)
    FileCard.open(str(first)).close()  # let go
    card.close()
    assert os.read(inside, 1) == b""
    os.close(inside)
    FileCard.open(str(second)).close()


def test_a_card_let_go_and_not_opened_again_is_gone(card: FileCard) -> None:
    def refuse() -> FileCard:
        raise SlotError("no_card", "no")

    with pytest.raises(SlotError):
        card.reopen(refuse)
    assert not card.present()
    with pytest.raises(Gone):
        write_fully(card, aligned(4096), 0)


def test_what_may_have_been_lost_is_counted_in_bytes_not_in_pieces() -> None:
    small = [Piece(at * GRID, 4096, ()) for at in range(1000)]
    large = [Piece(at * GRID, GRID, ()) for at in range(2000, 2040)]
    assert recent([]) == []
    assert recent(small) == small
    assert recent([*small, *large]) == large[-RECENT // GRID :]
