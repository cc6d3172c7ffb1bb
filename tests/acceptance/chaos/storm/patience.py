"""How long the storm waits, counted in what the line does: a busy machine gets more time, not less chance."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from typing import Any

import psycopg

from .line import StormLine

BREATH = 3.0  # seconds without a move that the wind bears …
HELD_ROUNDS, HELD_MOST = 20, 120.0  # … and how long it waits then for one: rounds, and seconds at most
A_MOVE, AT_FIRST = (
    3,
    60,
)  # faults for each move of a task, and before the first: more would only hit beginners
STUCK, STUCK_ROUNDS = (
    30.0,
    40,
)  # a violation that stays for both is one: what is late by nature is gone before
IDLE_ROUNDS = 60  # rounds in which nothing moves, after which nobody waits any more
LONGEST = 20  # times the patience for things that move on and on without an end

MOVED = """
    SELECT (SELECT max(id) FROM tasks_app_taskmove) AS tasks,
        (SELECT max(id) FROM orders_ordermove) AS orders,
        (SELECT count(*) FROM tasks_app_outbox WHERE sent_at IS NOT NULL) AS mails,
        (SELECT count(*) FROM tasks_app_taskevent) AS events,
        (SELECT count(*) FROM tasks_app_taskmove) AS moves"""
ALIVE = """
    SELECT 'host ' || name AS who, last_seen_at AS at FROM tasks_app_host
    UNION ALL SELECT role, at FROM tasks_app_pulse WHERE role = 'scheduler'"""


class Watch:
    """What the line has done: its last move, and the rounds in which each host and the scheduler spoke up."""

    def __init__(self, line: StormLine) -> None:
        self._line = line
        self._asked = 0.0
        self._seen: dict[str, Any] | None = None
        self._heard: dict[str, object] = {}
        self.rounds, self.moves = 0, 0
        self.moved_at, self.moved_in = time.monotonic(), 0

    def look(self) -> None:
        """At most once a second; a database that is away has nothing to tell."""
        now = time.monotonic()
        if now - self._asked < 1:
            return
        self._asked = now
        with contextlib.suppress(psycopg.Error), self._line.database() as database:
            seen = database.execute(MOVED).fetchone() or {}
            alive = {row["who"]: row["at"] for row in database.execute(ALIVE).fetchall()}
            self.take(seen, alive, now)

    def take(self, seen: dict[str, Any], alive: dict[str, object], now: float) -> None:
        """What was seen at `now`."""
        if seen != self._seen:
            self._seen, self.moved_at, self.moved_in = seen, now, self.rounds
            self.moves = seen["moves"]
        if all(self._heard.get(who) != at for who, at in alive.items()):
            self.rounds += bool(self._heard)
            self._heard = alive

    def idle(self) -> tuple[float, int]:
        """Seconds and rounds since the last move."""
        return time.monotonic() - self.moved_at, self.rounds - self.moved_in


class Breath:
    """The wind holds its breath when little or nothing moves: a line that stands proves nothing."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def held(self, faults: int) -> bool:
        """Whether no fault shall happen now; `faults` were."""
        self._watch.look()
        seconds, rounds = self._watch.idle()
        too_many = faults >= AT_FIRST + A_MOVE * self._watch.moves
        return (seconds > BREATH or too_many) and rounds < HELD_ROUNDS and seconds < HELD_MOST


class Patience:
    """When it is over. `seconds`: how long nothing may move, on a calm machine."""

    def __init__(self, watch: Watch, seconds: float) -> None:
        self._watch, self._seconds = watch, seconds
        self._end = time.monotonic() + LONGEST * seconds
        self._seen: dict[str, tuple[float, int]] = {}

    def lasts(self) -> bool:
        """Whether things may still come right."""
        self._watch.look()
        seconds, rounds = self._watch.idle()
        return time.monotonic() < self._end and (seconds < self._seconds or rounds < IDLE_ROUNDS)

    def stuck(self, violations: Iterable[str]) -> bool:
        """Whether one of these has stayed for so long that it will not go."""
        now, rounds = time.monotonic(), self._watch.rounds
        self._seen = {each: self._seen.get(each, (now, rounds)) for each in violations}
        return any(now - at > STUCK and rounds - then > STUCK_ROUNDS for at, then in self._seen.values())
