"""Calls that do not come back. Each waits for an event: nothing here depends on the machine's speed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.doubles.cards import MIB, bytes_at, image
from workers.contract import Fault, Step
from workers.errors import Canceled
from workers.imaging.ranges import GRID
from workers.report import Recorder
from workers.writer.burn import burn
from workers.writer.card import FileCard, Stalled, aligned
from workers.writer.conditions import Conditions
from workers.writer.faulty import FaultyCard
from workers.writer.traffic import DEPTH, SHALLOW, Traffic, fitting_depth
from workers.writer.watch import Patience, Watch, WatchedCard

SHORT = Conditions(patience=Patience(warn=0.05, fail=1.0))  # a busy disk must not take as long
SOON = Conditions(patience=Patience(warn=0.05, fail=600))


class Hanging(FaultyCard):
    """A call of the kind `verb` in step `step` hangs until it is let go."""

    verb = "write"
    step = Step.WRITING
    report: Recorder

    def arm(self, report: Recorder, step: Step, verb: str = "write") -> None:
        self.report, self.step, self.verb = report, step, verb
        self.hangs, self.let_go = threading.Event(), threading.Event()
        self.once = threading.Lock()

    def _hang(self, verb: str) -> None:
        if self.report.steps[-1:] == [self.step] and verb == self.verb and self.once.acquire(blocking=False):
            self.hangs.set()
            assert self.let_go.wait(60)

    def write(self, data: memoryview, offset: int) -> int:
        self._hang("write")
        return super().write(data, offset)

    def read_into(self, buffer: memoryview, offset: int) -> int:
        self._hang("read")
        return super().read_into(buffer, offset)

    def flush(self) -> None:
        self._hang("flush")
        super().flush()


@contextmanager
def hanging(card: FileCard, report: Recorder, step: Step, verb: str) -> Iterator[Hanging]:
    stuck = Hanging(card)
    stuck.arm(report, step, verb)
    try:
        yield stuck
    finally:
        stuck.let_go.set()


@pytest.mark.parametrize(
    ("step", "verb"),
    [
        (Step.WIPING, "write"),
        (Step.WIPING, "read"),
        (Step.WIPING, "flush"),
        (Step.WRITING, "write"),
        (Step.WRITING, "flush"),
        (Step.READING_BACK, "read"),
    ],
)
def test_a_call_that_never_comes_back_is_the_slots_fault(
    card: FileCard, report: Recorder, step: Step, verb: str
) -> None:
    with hanging(card, report, step, verb) as stuck, pytest.raises(Stalled) as caught:
        burn(image(24 * MIB), stuck, report, SHORT)
    assert (caught.value.fault, caught.value.code) == (Fault.SLOT, "stalled")
    assert "unplug the reader" in caught.value.message
    assert stuck.hangs.is_set()


def test_nothing_is_written_any_more_once_a_card_is_given_up(
    path: Path, card: FileCard, report: Recorder
) -> None:
    """The hung call may end an hour later, when the slot serves another card."""
    with hanging(card, report, Step.WRITING, "write") as stuck:
        traffic = Traffic(stuck, report, patience=SHORT.patience, depth=1)
        report.step(Step.WRITING)
        with pytest.raises(Stalled):
            traffic.alone(lambda: traffic.card.write(aligned(4096), 0))
        with pytest.raises(Stalled):
            traffic.alone(lambda: traffic.card.write(aligned(4096), 8192))
    assert bytes_at(path, 8192, 4096) == b"\xa5" * 4096


def test_a_slow_call_is_told_and_the_others_then_go_one_by_one(card: FileCard, report: Recorder) -> None:
    with hanging(card, report, Step.WRITING, "write") as stuck:

        class Patient(Recorder):
            def log(self, line: str) -> None:
                super().log(line)
                stuck.let_go.set()

        patient = Patient()
        stuck.report = patient
        result = burn(image(24 * MIB), stuck, patient, SOON)
    assert result.depth == 1
    assert any("one call at a time" in line for line in patient.lines)


def test_a_cancel_is_heard_while_a_call_is_slow(path: Path, card: FileCard, report: Recorder) -> None:
    with hanging(card, report, Step.WRITING, "write") as stuck:

        class Impatient(Recorder):
            def check(self) -> None:
                if stuck.hangs.is_set():
                    stuck.let_go.set()
                    self.canceled.set()
                super().check()

        stuck.report = impatient = Impatient()
        with pytest.raises(Canceled):
            burn(image(24 * MIB), stuck, impatient, SOON)
    assert bytes_at(path, 0, GRID) == bytes(GRID)


def test_a_stalled_card_is_not_closed_so_that_nobody_else_takes_it(path: Path) -> None:
    with pytest.raises(Stalled), FileCard.open(str(path)) as card:
        raise Stalled(card.name, 1)
    assert card.present(), "its descriptor is open still, and so is the lock"
    card.close()
    with pytest.raises(ZeroDivisionError), FileCard.open(str(path)) as card:
        raise ZeroDivisionError
    FileCard.open(str(path)).close()


@pytest.mark.parametrize(
    ("requests", "depth"), [("2", SHALLOW), ("8", SHALLOW), ("64", DEPTH), (None, DEPTH)]
)
def test_the_depth_fits_the_readers_queue(
    tmp_path: Path, card: FileCard, requests: str | None, depth: int
) -> None:
    class Reader(FaultyCard):
        def identity(self):  # type: ignore[no-untyped-def]
            from dataclasses import replace

            return replace(super().identity(), place=str(tmp_path))

    if requests:
        (tmp_path / "queue").mkdir()
        (tmp_path / "queue/nr_requests").write_text(requests + "\n")
    assert fitting_depth(Reader(card)) == depth


def test_seconds_of_calls_at_once_are_counted_once(report: Recorder) -> None:
    watch = Watch("card", report, Patience(), 2)
    inside, let_go = threading.Event(), threading.Event()

    def call() -> None:
        with watch.call():
            inside.set()
            assert let_go.wait(60)

    thread = threading.Thread(target=call)
    thread.start()
    assert inside.wait(60)
    with watch.call():
        pass
    assert watch.busy == 0, "the first call is still under way"
    let_go.set()
    thread.join()
    assert watch.busy > 0


def test_a_question_whether_the_card_is_there_is_watched_too(card: FileCard, report: Recorder) -> None:
    """It opens the device, and a reader may let that wait."""
    watch = Watch("card", report, Patience(warn=60, fail=600), 2)
    asked: list[bool] = []

    class Asked(FaultyCard):
        def present(self) -> bool:
            asked.append(bool(watch._began))
            return True

    assert WatchedCard(Asked(card), watch).present()
    assert asked == [True]
