"""Each fault of a card × where it strikes: never "written" when it is not, and the right one is blamed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.bad_cards import BadDevice, bad_card, bad_card_problem
from tests.doubles.cards import MIB, MemorySource, assert_holds, bytes_at, card_file, image
from workers.contract import Fault, Step
from workers.errors import WorkError
from workers.imaging.devices import Devices
from workers.imaging.per_card import Change
from workers.report import Recorder
from workers.writer.burn import BurnResult, burn
from workers.writer.card import Stalled
from workers.writer.conditions import Conditions
from workers.writer.opening import check, look, open_candidate
from workers.writer.personal import PersonalSource
from workers.writer.watch import Patience

pytestmark = pytest.mark.loop
CARD = 24 * MIB
MAPPED = [(0, 64 * 1024), (MIB, MIB), (5 * MIB, 6 * MIB), (21 * MIB, MIB)]
# A byte that is mapped: in the first cell, in the middle, where the last 4 MiB were zeroed before, and where
# this card has something of its own.
OWN = 7 * MIB + 1024
WHERE = {"head": MIB + 4096, "body": 9 * MIB + 512, "tail": 21 * MIB + 8192, "own": OWN}
MENDED: set[str] = set()  # no code: the card is written, and proved


@dataclass(frozen=True)
class Case:
    """Faults, when they begin (a step, or from the start), and the codes that may come of it."""

    name: str
    codes: set[str]
    faults: dict[str, Any]
    since: Step | None = None

    def __str__(self) -> str:
        return self.name


def spot(at: int, **more: Any) -> dict[str, Any]:
    return {"from": at, "to": at + 1, **more}


def cases_at(name: str, at: int) -> list[Case]:
    bad = {"bad_blocks"}
    return [
        Case(f"flip-for-ever-{name}", bad, {"flips": [spot(at, on="read")]}),
        Case(f"flip-on-every-write-{name}", bad, {"flips": [spot(at, on="write")]}, Step.WRITING),
        Case(f"flip-once-{name}", MENDED, {"flips": [spot(at, on="write", times=1)]}, Step.WRITING),
        Case(f"forgets-{name}", bad, {"forgets": [spot(at)]}, Step.WRITING),
        Case(f"forgets-once-{name}", MENDED, {"forgets": [spot(at, times=1)]}, Step.WRITING),
        Case(f"write-error-once-{name}", MENDED, {"errors": [spot(at, on="write", times=1)]}, Step.WRITING),
        Case(f"write-error-always-{name}", bad, {"errors": [spot(at, on="write")]}, Step.WRITING),
        Case(
            f"read-error-once-{name}", MENDED, {"errors": [spot(at, on="read", times=1)]}, Step.READING_BACK
        ),
        Case(f"read-error-always-{name}", bad, {"errors": [spot(at, on="read")]}, Step.READING_BACK),
        Case(f"short-write-once-{name}", MENDED, {"short": [spot(at, on="write", times=1)]}, Step.WRITING),
        Case(f"short-write-always-{name}", bad, {"short": [spot(at, on="write")]}, Step.WRITING),
        Case(f"slow-{name}", MENDED, {"slow": [spot(at, value=0.2)]}),
    ]


CASES = [
    Case("none", MENDED, {}),
    *(case for name, at in WHERE.items() for case in cases_at(name, at)),
    Case("forgets-everything", {"ignores_writes"}, {"forgets": [{}]}),
    Case("forgets-everything-later", {"bad_blocks"}, {"forgets": [{}]}, Step.WRITING),
    Case("write-error-everywhere", {"bad_blocks", "io_error"}, {"errors": [{"on": "write"}]}),
    Case("read-error-everywhere", {"bad_blocks", "io_error"}, {"errors": [{"on": "read"}]}),
    Case("slow-last-mib", MENDED, {"slow": [{"from": CARD - MIB, "value": 0.5}]}),
    *(
        Case(f"pulled-in-{step.value}-{after}", {"card_gone"}, {"gone_after": after}, step)
        for step in (Step.WIPING, Step.WRITING, Step.READING_BACK)
        for after in (0, 512 * 1024, 3 * MIB)
    ),
]


class Watching(Recorder):
    """Turns the fault on when its step begins."""

    def __init__(self, begin: Callable[[], None], since: Step | None) -> None:
        super().__init__()
        self._begin = begin
        self._since = since

    def step(self, step: Step, total: int | None = None) -> None:
        super().step(step, total)
        if step == self._since and self.steps.count(step) == 1:
            self._begin()


@dataclass(frozen=True)
class Expected:
    """What is written, and what must be on the card in the end."""

    source: PersonalSource
    on_card: MemorySource


@pytest.fixture(scope="module")
def wanted() -> Expected:
    """An image with data of this card alone."""
    change = Change(OWN, b"serial 1042-01-1-7".ljust(512, b"\0"))
    plain = image(22 * MIB, MAPPED)
    data = bytearray(plain.data)
    data[change.offset : change.end] = change.data
    own = PersonalSource(plain, [change])
    return Expected(own, MemorySource(bytes(data), own.ranges))


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    problem = bad_card_problem()
    if problem:
        pytest.skip(problem)
    return card_file(tmp_path / "medium", CARD)


def written(source: PersonalSource, node: str, report: Recorder) -> BurnResult:
    """As the commands and the write task do it."""
    devices = Devices()
    candidate = look(node, devices)
    check(candidate, devices, allow_non_removable=True)
    with open_candidate(candidate, devices) as card:
        return burn(source, card, report)


def judge(wanted: Expected, medium: Path, device: BadDevice, case: Case) -> None:
    report = Watching(lambda: device.set(**case.faults), case.since)
    if case.since is None:
        device.set(**case.faults)
    try:
        written(wanted.source, device.node, report)
    except WorkError as error:
        assert error.code in case.codes, error
        assert error.fault is Fault.CARD, error
        assert device.node in error.message
    else:
        assert not case.codes, "it was taken for written"
        assert_holds(medium, wanted.on_card)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_fault_is_mended_or_blamed(wanted: Expected, medium: Path, case: Case) -> None:
    with bad_card(medium) as device:
        judge(wanted, medium, device, case)


@pytest.mark.parametrize("real", [4096, 4 * MIB, 12 * MIB, 20 * MIB, 22 * MIB, CARD])
@pytest.mark.parametrize("limbo", [False, True], ids=["wraps", "limbo"])
def test_a_forged_card_is_found_wherever_it_really_ends(
    tmp_path: Path, wanted: Expected, real: int, limbo: bool
) -> None:
    """Also if the image would fit into what is there: the next one may not."""
    problem = bad_card_problem()
    if problem:
        pytest.skip(problem)
    medium = card_file(tmp_path / "medium", real)
    with bad_card(medium, claimed=2 * CARD, limbo=limbo) as device:
        judge(wanted, medium, device, Case("forged", {"fake_capacity", "bad_blocks", "ignores_writes"}, {}))


@pytest.mark.parametrize("where", [0, MIB, 9 * MIB, 21 * MIB])
@pytest.mark.parametrize("step", [Step.WIPING, Step.WRITING, Step.READING_BACK])
def test_a_stall_that_ends_leaves_a_good_card(wanted: Expected, medium: Path, where: int, step: Step) -> None:
    with bad_card(medium) as device:
        report = Watching(lambda: device.set(slow=[spot(where, times=1, value=1.5)]), step)
        written(wanted.source, device.node, report)
    assert_holds(medium, wanted.on_card)


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("step", [Step.WRITING, Step.READING_BACK])
def test_a_stall_that_does_not_end_is_the_readers_fault(
    wanted: Expected, medium: Path, where: str, step: Step
) -> None:
    conditions = Conditions(patience=Patience(warn=0.5, fail=2.0))
    devices = Devices()
    with bad_card(medium) as device:
        report = Watching(lambda: device.set(stalls=[spot(WHERE[where])]), step)
        card = open_candidate(look(device.node, devices), devices)
        try:
            with pytest.raises(Stalled) as caught:
                burn(wanted.source, card, report, conditions)
        finally:
            device.release()
            card.close()
    assert (caught.value.fault, caught.value.code) == (Fault.SLOT, "stalled")
    assert device.node in caught.value.message
    assert "unplug the reader" in caught.value.message
    assert any("one call at a time" in line for line in report.lines), "it was warned of first"


def test_a_failed_card_does_not_boot(wanted: Expected, medium: Path) -> None:
    """What fails in the body or while reading back leaves no beginning that looks like a good card's."""
    with bad_card(medium) as device:
        judge(wanted, medium, device, Case("", {"bad_blocks"}, {"flips": [spot(WHERE["body"], on="read")]}))
    assert bytes_at(medium, 0, 4 * MIB) == bytes(4 * MIB)
