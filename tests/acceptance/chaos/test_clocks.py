"""Wall clocks jump by a day while an order is on its way: nobody loses an attempt by it."""

from __future__ import annotations

import time

import pytest

from . import clock, invariants
from .drive import Drive, Plan
from .world import PARTS, world

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.chaos,
    pytest.mark.skipif(clock.LIBRARY is None, reason=clock.MISSING),
]
PATIENCE = 240


def test_all_clocks_jump_one_after_the_other_and_each_task_needs_one_attempt():
    with world(seed=1, rate=0.0) as here:
        drive = Drive(here, Plan(orders=1, faults=0, pause=(0, 0), seconds=PATIENCE), seed=1)
        drive.people.order("physical", 1)
        end = time.monotonic() + PATIENCE
        jumps = [(part, days * clock.DAY) for days in (-1, 1) for part in PARTS]  # the last one first
        assert here.clocks is not None
        while not drive.people.arrived() and time.monotonic() < end:
            if jumps:
                here.clocks.set(*jumps.pop())
            drive.turn()
        found = drive.settle(end + PATIENCE)
        with invariants.connect(here.line) as database:
            lost = list(
                database.execute(
                    "SELECT task_id, attempt, outcome FROM tasks_app_attempt WHERE outcome <> 'done'"
                )
            )
        assert (found, lost, jumps) == ([], [], [])
