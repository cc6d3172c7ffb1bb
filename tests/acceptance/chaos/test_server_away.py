"""The server is away for longer than a host may be silent: when it comes back, no host has lost its work."""

from __future__ import annotations

import time
from typing import Any

import pytest

from . import invariants
from .drive import Drive, Plan
from .world import RECLAIM, World, world

pytestmark = [pytest.mark.acceptance, pytest.mark.chaos]

PATIENCE = 240
AWAY = RECLAIM + 4  # seconds
SERVER = ("web", "scheduler", "scheduler-2")


def rows(here: World, query: str) -> list[dict[str, Any]]:
    with invariants.connect(here.line) as database:
        return list(database.execute(query))


def test_a_build_outlives_its_server_s_absence_in_one_attempt():
    with world(seed=1, rate=0.0, full=False) as here:
        drive = Drive(here, Plan(orders=1, faults=0, pause=(0, 0), seconds=PATIENCE), seed=1)
        drive.people.order("physical", 1)
        end = time.monotonic() + PATIENCE
        while not rows(here, "SELECT FROM tasks_app_attempt"):
            assert time.monotonic() < end
            drive.turn()
        for part in SERVER:
            here.line.part(part).child.kill()
        time.sleep(AWAY)  # nobody starts it again meanwhile
        overdue = rows(here, "SELECT FROM tasks_app_task WHERE status = 'running' AND reclaim_at < now()")
        while not drive.people.arrived() and time.monotonic() < end:
            drive.turn()
        found = drive.settle(end + PATIENCE)
        lost = rows(here, "SELECT task_id, attempt, outcome FROM tasks_app_attempt WHERE outcome <> 'done'")
    assert (len(overdue), found, lost) == (1, [], [])
