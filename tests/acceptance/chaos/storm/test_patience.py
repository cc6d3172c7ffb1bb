"""The driver waits for what the line does, not for a clock."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from . import patience
from .patience import Breath, Patience, Watch


class Day:
    """Seconds that pass when we say so, and a line in which nothing moves unless we say so."""

    def __init__(self, monkeypatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(patience, "time", SimpleNamespace(monotonic=lambda: self.now))
        self.watch = Watch(SimpleNamespace(database=None))  # type: ignore[arg-type]
        self.watch.look = lambda: None  # type: ignore[method-assign]
        self.moves, self.beats = 0, 0
        self.watch.take({"moves": 0}, {"host a": 0, "host b": 0}, self.now)

    def passes(self, seconds: float, *, rounds: int, moves: int = 0) -> None:
        for _ in range(rounds):
            self.beats += 1
            self.now += seconds / rounds
            self.watch.take({"moves": self.moves}, {"host a": self.beats, "host b": self.beats}, self.now)
        self.now += 0 if rounds else seconds
        self.moves += moves
        self.watch.take({"moves": self.moves}, {"host a": self.beats, "host b": self.beats}, self.now)


@pytest.fixture
def day(monkeypatch):
    return Day(monkeypatch)


def test_a_round_needs_every_host(day):
    for beats in ((1, 0), (2, 0), (3, 1)):
        day.watch.take({"moves": 0}, dict(zip(("host a", "host b"), beats, strict=True)), day.now)
    assert day.watch.rounds == 1


def test_a_slow_machine_gets_more_seconds(day):
    waiting = Patience(day.watch, 180)
    day.passes(1000, rounds=patience.IDLE_ROUNDS - 1)
    assert waiting.lasts()
    day.passes(20, rounds=2)
    assert not waiting.lasts()


def test_whatever_moves_is_waited_for_but_not_for_ever(day):
    waiting = Patience(day.watch, 180)
    for _ in range(19):
        day.passes(170, rounds=100, moves=1)
        assert waiting.lasts()
    day.passes(400, rounds=100, moves=1)
    assert not waiting.lasts()


@pytest.mark.parametrize(("seconds", "rounds", "stuck"), [(31, 41, True), (500, 39, False), (29, 90, False)])
def test_a_violation_that_stays_needs_seconds_and_rounds(day, seconds, rounds, stuck):
    waiting = Patience(day.watch, 180)
    assert not waiting.stuck(["left on the disk"])
    day.passes(seconds, rounds=rounds)
    assert waiting.stuck(["left on the disk"]) is stuck
    assert not waiting.stuck(["something new"])


@pytest.mark.parametrize(
    ("seconds", "rounds", "held"),
    [(1, 1, False), (5, 5, True), (60, 19, True), (60, 21, False), (121, 3, False)],
)
def test_the_wind_holds_its_breath_while_nothing_moves(day, seconds, rounds, held):
    day.passes(0, rounds=0, moves=1)
    day.passes(seconds, rounds=rounds)
    assert Breath(day.watch).held(0) is held


def test_the_wind_blows_as_the_line_moves(day):
    breath, first = Breath(day.watch), patience.AT_FIRST
    assert not breath.held(first - 1)
    assert breath.held(first)
    day.passes(1, rounds=1, moves=2)
    assert not breath.held(first + 2 * patience.A_MOVE - 1)
    assert breath.held(first + 2 * patience.A_MOVE)
    day.passes(60, rounds=patience.HELD_ROUNDS)
    assert not breath.held(first + 2 * patience.A_MOVE), (
        "something must happen to a line that stands for ever"
    )
