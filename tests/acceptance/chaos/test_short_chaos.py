"""The short chaos of every test run: each kind that needs neither root nor another program, once over."""

from __future__ import annotations

import pytest

from .drive import Drive, Plan, table
from .world import world

pytestmark = pytest.mark.acceptance

KINDS = (
    "mail server busy", "freeze a creator past reclaim, not its child", "flush valkey", "kill scheduler",
    "crash a backend of PostgreSQL", "kill web", "valkey a black hole", "kill a creator's child",
    "restart PostgreSQL, immediate", "freeze scheduler-2", "kill creator-2", "kill warehouse",
    "restart valkey", "kill server-worker", "kill downloader", "kill writer", "mail server hangs up",
)  # fmt: skip
SEED = 11
ANY = {
    "kill a creator's child",
    "freeze a creator past reclaim, not its child",
    "kill downloader",
    "kill writer",
}


def test_two_orders_go_through_everything():
    plan = Plan(orders=2, faults=len(KINDS), pause=(0.2, 1.0), seconds=400, kinds=KINDS)
    with world(seed=SEED, rate=0.05, full=False) as here:
        drive = Drive(here, plan, SEED)
        found = drive.run()
        print(table(drive.report()))
        assert not found, "\n".join(found)
        assert set(KINDS) - ANY <= set(drive.faults.counts)
