"""One storm from calm to calm, and what it found."""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import redis

from imager.services import ServicesError

from . import controls, lossy, verdict
from .gusts import HELD, Aim, Gusts
from .line import StormLine
from .mails import Sink
from .patience import Breath, Patience, Watch
from .people import People

PAUSE = 0.02
TELL_EVERY = 60.0


@dataclass(frozen=True)
class Plan:
    """How hard and how long. `minutes` ends the faults, however many there were."""

    aim: Aim
    seed: int
    minutes: float
    rate: float = 6.0  # faults a second
    settle: float = 180.0  # seconds without any move, when the wind is gone, that the orders are waited for
    open_orders: int = 8
    control: str = ""
    slow: float = 1.0  # how much longer than on a calm machine leases are


@dataclass
class Outcome:
    """What happened and what was wrong."""

    plan: Plan
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    did: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)


def storm(plan: Plan, var: Path) -> Outcome:
    """Blow until the aim is reached, let everybody finish, look at everything."""
    began = time.monotonic()
    chance = random.Random(plan.seed)
    sink = Sink()
    try:
        line = StormLine(var, seed=plan.seed, mail_port=sink.port, control=plan.control, slow=plan.slow)
        try:
            return _run(plan, line, sink, chance, began)
        finally:
            line.stop()
    finally:
        sink.stop()


def _run(plan: Plan, line: StormLine, sink: Sink, chance: random.Random, began: float) -> Outcome:
    if plan.control == "constraints":
        with line.database() as database:
            controls.drop_constraints(database)
    people = People(line, chance, open_orders=plan.open_orders)
    gusts = Gusts(line, chance)
    watch = Watch(line)
    try:
        _blow(plan, line, gusts, people, watch)
        people.ordering = False
        found = _settle(line, gusts, people, sink, Patience(watch, plan.settle))
    finally:
        people.stop()
    counts = gusts.counts + _losses(line)
    outcome = Outcome(plan, time.monotonic() - began, dict(counts), dict(line.restarts), dict(people.did))
    outcome.facts = _facts(line, sink)
    outcome.violations = found
    return outcome


def _blow(plan: Plan, line: StormLine, gusts: Gusts, people: People, watch: Watch) -> None:
    """Until the aim is reached, or the time is over, or something is wrong already."""
    end = time.monotonic() + 60 * plan.minutes
    breath = Breath(watch)
    due, told = time.monotonic(), time.monotonic()
    while gusts.kills() < plan.aim.kills and time.monotonic() < end:
        _tend(line, gusts)
        if time.monotonic() >= due and not breath.held(gusts.counts.total()):
            with contextlib.suppress(redis.RedisError):
                gusts.blow(plan.aim)
            due = max(due + 1 / plan.rate, time.monotonic() - 1)
        if time.monotonic() - told > TELL_EVERY:
            told = time.monotonic()
            people.found += [] if plan.control else _glance(line)
            if people.found and not plan.control:
                return
            print(f"{gusts.kills()} kills, {gusts.freezes()} freezes, {gusts.crashes()} crashes", flush=True)
        time.sleep(PAUSE)


def _glance(line: StormLine) -> list[str]:
    """What is never right, not even in the middle of the storm."""
    with contextlib.suppress(psycopg.Error), line.database() as database:
        return list(verdict.never(database))
    return []


def _tend(line: StormLine, gusts: Gusts, *, calm: bool = False) -> None:
    gusts.tend(all_of_them=calm)
    try:
        line.tend()
    except ServicesError:  # a server that was killed and whose last process is not gone: next time
        line.restarts["server that was not yet gone"] += 1


def _settle(line: StormLine, gusts: Gusts, people: People, sink: Sink, patience: Patience) -> list[str]:
    """Everybody gets time: until nothing is wrong any more, or the patience ends."""
    _tend(line, gusts, calm=True)  # first what is frozen goes on, which sends its replacement away
    for part in line.parts.values():
        if part.role == "worker" and not part.name.endswith(" rival"):
            part.wanted = True  # the replacements, too: to settle what their journals hold
    found = ["nobody looked"]
    while found and patience.lasts():
        for _ in range(25):
            _tend(line, gusts, calm=True)
            time.sleep(PAUSE)
        if people.arrived():
            with contextlib.suppress(psycopg.Error):
                found = [*_rivals(line), *verdict.violations(line, people, sink)]
            if patience.stuck(found):
                return found
    if not people.arrived() or found == ["nobody looked"]:
        found = [*_rivals(line), *verdict.violations(line, people, sink)]
    return found


def _rivals(line: StormLine) -> list[str]:
    return [
        f"{part.name} did not find its folder taken: exit codes {codes}"
        for part in line.parts.values()
        if part.name.endswith(" rival") and (codes := [code for code in part.codes if code not in (HELD, -9)])
    ]


def _losses(line: StormLine) -> Counter[str]:
    ledger = line.var / "losses"
    letters = Counter(ledger.read_text()) if ledger.exists() else Counter[str]()
    return Counter({lossy.LETTERS[letter]: count for letter, count in letters.items()})


def _facts(line: StormLine, sink: Sink) -> dict[str, Any]:
    queries = {
        "orders": "SELECT count(*) FROM orders_order",
        "orders canceled": "SELECT count(*) FROM orders_order WHERE status = 'canceled'",
        "attempts": "SELECT count(*) FROM tasks_app_attempt",
        "attempts lost": "SELECT count(*) FROM tasks_app_attempt WHERE outcome IN ('lost', 'timeout')",
        "cards accepted": "SELECT count(*) FROM tasks_app_card WHERE verdict = 'accepted'",
        "cards given up": "SELECT count(*) FROM tasks_app_card WHERE verdict <> 'accepted'",
        "late reports refused": "SELECT count(*) FROM tasks_app_refusedreport",
        "mails": "SELECT count(*) FROM tasks_app_outbox",
    }
    with line.database() as database:
        facts = {name: (database.execute(query).fetchone() or {})["count"] for name, query in queries.items()}
    return {**facts, "mails that SMTP brought twice": verdict.copies(sink)}
