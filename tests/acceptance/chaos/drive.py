"""A whole run: orders come in while faults happen, then calm, then the look at what became of it."""

from __future__ import annotations

import contextlib
import json
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imager.demo import seeds

from . import invariants, remains
from .faults import Faults
from .people import AWAY, People
from .world import World

TICK = 0.2
NOTHING_TO_HIT = 15  # seconds after which a fault that finds nothing to hit is passed over
TIDY_UP = 60  # seconds that everybody gets in the end: hosts beat each 5 s, the warehouse asks each 2 s


@dataclass
class Plan:
    """`orders` to place, `faults` to inject with `pause` seconds between two, all over after `seconds`."""

    orders: int
    faults: int
    pause: tuple[float, float]
    seconds: float
    kinds: tuple[str, ...] = ()


class Drive:
    """One run in a world."""

    def __init__(self, world: World, plan: Plan, seed: int) -> None:
        self.world, self.plan, self.seed = world, plan, seed
        self.chance = random.Random(seed)
        sown = seeds.sow(world.line)
        self.people = People(world.line, sown, self.chance, plan.orders)
        self.faults = Faults(world, self.chance)
        self.took = 0.0

    def run(self) -> list[str]:
        """What is wrong at the end."""
        began = time.monotonic()
        end = began + self.plan.seconds
        self.storm(end)
        self.faults.calm()
        self.world.proxy.rate = 0.0
        self.world.mailbox.refusals = self.world.mailbox.hang_ups = 0
        while not self.people.arrived() and time.monotonic() < end:
            self.turn()
        found = self.settle(end + TIDY_UP)
        self.took = time.monotonic() - began
        return found + list(remains.cards(self.world.line)) + self.people.wrong

    def storm(self, end: float) -> None:
        """Until there were enough orders and faults."""
        plan, next_fault, done, since = self.plan, 0.0, 0, time.monotonic()
        while time.monotonic() < end and (done < plan.faults or self.people.placed < plan.orders):
            self.order(due=done >= plan.faults * self.people.placed / plan.orders)
            if time.monotonic() > next_fault and done < plan.faults:
                hit = None
                with contextlib.suppress(*AWAY):
                    hit = self.faults.inject(*plan.kinds[done : done + 1])
                if hit or time.monotonic() - since > NOTHING_TO_HIT:
                    done, since = done + 1, time.monotonic()
                    next_fault = since + self.chance.uniform(*plan.pause)
            self.turn()

    def order(self, *, due: bool) -> None:
        """The next order, when its time has come; each fourth is canceled, each third shipped."""
        number = self.people.placed
        if number < self.plan.orders and due:
            with contextlib.suppress(*AWAY):
                kind = ("physical", "virtual")[number % 3 == 1]
                self.people.order(kind, cancel=number % 4 == 2, ship=number % 3 == 0)

    def turn(self) -> None:
        """A moment."""
        self.faults.tend()
        self.people.turn()
        time.sleep(TICK)

    def settle(self, end: float) -> list[str]:
        """What is still wrong when everybody had time to tidy up."""
        while (found := self.look()) and time.monotonic() < end:
            self.turn()
        return found

    def look(self) -> list[str]:
        """Every violation that can be seen now."""
        try:
            found = list(invariants.violations(self.world.line, self.people.wanted))
            found += list(remains.remains(self.world.line, self.world.mailbox))
            with invariants.connect(self.world.line) as database:
                row = database.execute("SELECT count(*) AS n FROM orders_order").fetchone()
        except AWAY as error:
            return [f"the servers cannot be asked: {error}"]
        if row is None or row["n"] != self.plan.orders:
            found.append(f"{row and row['n']} orders are there, {self.plan.orders} were placed")
        return found

    def report(self) -> dict[str, Any]:
        """Figures of the run."""
        faults = self.faults
        return {
            "seed": self.seed,
            "orders": len(self.people.wanted),
            "seconds": round(self.took, 1),
            "faults": faults.counts.total(),
            "injections": dict(sorted(faults.counts.items())),
            "http": dict(sorted(self.world.proxy.counts.items())),
            "restarts": dict(sorted(faults.restarts.items())),
            "people": dict(sorted(self.people.did.items())),
            "mails": len(self.world.mailbox.mails),
            "not_possible_here": self.world.missing,
        }


def table(report: dict[str, Any]) -> str:
    """For people."""
    lines = [
        f"{report['orders']} orders, {report['faults']} faults, seed {report['seed']}, {report['seconds']} s"
    ]
    for part in ("injections", "http", "restarts", "people"):
        lines += [f"{part}:", *(f"  {count:6} {name}" for name, count in report[part].items())]
    return "\n".join([*lines, f"{report['mails']} mails", *report["not_possible_here"]])


def keep(report: dict[str, Any], violations: list[str], file: Path) -> None:
    """The same for programs."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({**report, "violations": violations}, indent=2, ensure_ascii=False) + "\n")
