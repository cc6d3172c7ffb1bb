"""Orders on their way while everything fails: nothing lost, nothing done twice, nothing left.

`make chaos N=30 SEED=7` places N orders; the same seed makes the same choices (not the same moments).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from imager.stack.processes import ROOT

from .drive import Drive, Plan, keep, table
from .world import world

pytestmark = [pytest.mark.acceptance, pytest.mark.chaos]

N, SEED = int(os.environ.get("CHAOS_N", "6")), int(os.environ.get("CHAOS_SEED", "1"))
FAULTS_PER_ORDER = 8
LOST_AND_DOUBLED = 0.05  # of the calls between hosts and web, each
OUT = Path(os.environ.get("CHAOS_OUT") or ROOT / "benchmarks" / "out" / "chaos_full.json")


def test_nothing_is_lost_and_nothing_is_done_twice():
    plan = Plan(orders=N, faults=FAULTS_PER_ORDER * N, pause=(0.3, 2.0), seconds=240 + 90 * N)
    with world(seed=SEED, rate=LOST_AND_DOUBLED) as here:
        drive = Drive(here, plan, SEED)
        found = drive.run()
        report = drive.report()
        print("\n" + table(report))
        keep(report, found, OUT)
        if found and (where := os.environ.get("CHAOS_LOGS")):
            shutil.copytree(here.line.logs, where, dirs_exist_ok=True)
        assert not found, "\n".join(found)
