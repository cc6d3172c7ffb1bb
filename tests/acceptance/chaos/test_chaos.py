"""Orders on their way while processes are killed and servers crash: nothing lost, nothing done twice.

`make chaos N=30 SEED=7` places N orders; the same seed makes the same choices (not the same moments).
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import requests

from imager.demo import seeds
from imager.demo.__main__ import order_body
from imager.demo.client import Member, Operator
from imager.stack import Line, start
from imager.stack.line import WRITER, insert_card
from imager.stack.processes import StackError

from . import invariants
from .faults import Faults

pytestmark = [pytest.mark.acceptance, pytest.mark.chaos]

N, SEED = int(os.environ.get("CHAOS_N", "6")), int(os.environ.get("CHAOS_SEED", "1"))
PAUSE = (2.0, 6.0)  # seconds between two faults
FAULTS_PER_ORDER = 5
SETTLE = 120 + 30 * N  # seconds that the orders get, in all
AWAY = (requests.RequestException, StackError, psycopg.OperationalError)  # what a killed server looks like
DESERVED = {"physical": "ready_to_ship", "virtual": "available"}


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    small = {
        name: (title, place, min(size, 300_001)) for name, (title, place, size) in seeds.CONTENTS.items()
    }
    monkeypatch.setattr(seeds, "CONTENTS", small)
    var = Path(tempfile.mkdtemp(prefix="imager-chaos-"))  # other runs of pytest close the folder above theirs
    var.chmod(0o711)  # the database's account passes through when we are root, also when it recovers
    line = start(var)
    try:
        yield line
    finally:
        line.stop()
        shutil.rmtree(var)


class Run:
    """People who go on, whatever happens: they order, confirm cards, insert new ones, retry what failed."""

    def __init__(self, line: Line, sown: seeds.Seeds, chance: random.Random) -> None:
        self.line, self.sown, self.chance = line, sown, chance
        self.member = Member(line.url, seeds.MEMBER, sown.passwords[seeds.MEMBER])
        self.operator = Operator(line.url, seeds.STAFF, sown.passwords[seeds.STAFF])
        self.media = {kind: self.member.media(kind) for kind in DESERVED}
        self.wanted: dict[str, str] = {}
        self.did: Counter[str] = Counter()

    def place(self) -> None:
        """One order, of either kind."""
        kind = self.chance.choice(list(DESERVED))
        body = order_body(self.sown, kind, self.media[kind], quantity=self.chance.randint(1, 2))
        if kind == "virtual":
            body["quantity"] = 1
        self.wanted[self.member.place(body)["id"]] = DESERVED[kind]

    def turn(self) -> None:
        """What people do every now and then; a server that is away is asked again next time."""
        for act in (self._swap_cards, self._confirm, self._retry, self._hurry):
            with contextlib.suppress(*AWAY):
                act()

    def _confirm(self) -> None:
        self.did["confirmed cards"] += len(self.operator.confirm_cards(WRITER))

    def _retry(self) -> None:
        for order in self._orders("failed"):
            answer = self.member.session.post(f"{self.member.api}orders/{order}/retry/", timeout=30)
            self.did["retried orders"] += answer.ok

    def _swap_cards(self) -> None:
        """Cards that were written, or tried, are taken out and fresh ones put in."""
        query = """
            SELECT name FROM tasks_app_slot slot
            WHERE used_diskseq = diskseq AND used_boot_id = boot_id AND NOT EXISTS (
            SELECT FROM tasks_app_task WHERE slot_id = slot.id AND status IN ('queued', 'running'))"""
        with invariants.connect(self.line) as database:
            used = [row["name"] for row in database.execute(query)]
        for slot in used:
            insert_card(self.line.cards[slot])
            self.did["swapped cards"] += 1

    def _hurry(self) -> None:
        """The pause after a lost attempt is for hosts that stay broken; here they come back at once."""
        with invariants.connect(self.line) as database:
            database.execute("UPDATE tasks_app_task SET not_before = now() WHERE not_before > now()")

    def _orders(self, *statuses: str) -> list[str]:
        with invariants.connect(self.line) as database:
            rows = database.execute("SELECT id FROM orders_order WHERE status = ANY(%s)", [list(statuses)])
            return [str(row["id"]) for row in rows]

    def arrived(self) -> bool:
        """Whether every order is where it should be."""
        with contextlib.suppress(*AWAY):
            return set(self.wanted) <= set(self._orders(*DESERVED.values()))
        return False


def test_nothing_is_lost_and_nothing_is_done_twice(line):
    chance = random.Random(SEED)
    run, faults = Run(line, seeds.sow(line), chance), Faults(line, chance)
    end = time.monotonic() + SETTLE

    storm(run, faults, end)
    while not run.arrived() and time.monotonic() < end:
        calm(run, faults)
    found = settle(run, faults, end)

    print(f"\n{len(run.wanted)} orders, seed {SEED}")
    for what in (faults.counts, faults.restarts, run.did):
        print(*(f"  {count:5} {name}" for name, count in sorted(what.items())), sep="\n")
    assert not found, "\n".join(found)


def storm(run: Run, faults: Faults, end: float) -> None:
    """Orders come in while faults happen, until there were enough of both."""
    next_fault = 0.0
    while time.monotonic() < end:
        if len(run.wanted) < N:
            with contextlib.suppress(*AWAY):
                run.place()
        elif faults.counts.total() >= FAULTS_PER_ORDER * N:
            return
        if time.monotonic() > next_fault and faults.counts.total() < FAULTS_PER_ORDER * N:
            with contextlib.suppress(*AWAY):
                faults.inject()
            next_fault = time.monotonic() + run.chance.uniform(*PAUSE)
        calm(run, faults)


def calm(run: Run, faults: Faults) -> None:
    """A moment without new faults."""
    faults.tend()
    run.turn()
    time.sleep(0.2)


def settle(run: Run, faults: Faults, end: float) -> list[str]:
    """What is still wrong when everybody had time to tidy up: the warehouse asks each half minute."""
    while (found := list(invariants.violations(run.line, run.wanted))) and time.monotonic() < end + 60:
        calm(run, faults)
    return found
