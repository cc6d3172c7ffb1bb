"""`python -m tests.acceptance.chaos.storm --kills 10000 --seed 1`: a storm by hand; see `docs/storm.md`."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from .driver import Outcome, Plan, storm
from .gusts import Aim
from .zygote import ROOT

REPORT = ROOT / "benchmarks" / "out" / "chaos.json"


def main() -> int:
    """0 when nothing was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance.chaos.storm", description=__doc__)
    parser.add_argument("--kills", type=int, default=10_000, help="SIGKILLs in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--minutes", type=float, default=240, help="the faults end then, however many they are"
    )
    parser.add_argument("--rate", type=float, default=6, help="faults a second")
    parser.add_argument(
        "--control", default="", help="take down a wall: fence, row lock, slot lock, constraints"
    )
    parser.add_argument(
        "--slow", type=float, default=1, help="leases so many times as long: on a busy machine"
    )
    parser.add_argument("--report", type=Path, default=REPORT)
    parser.add_argument("--var", type=Path, help="keep everything there")
    told = parser.parse_args()
    var = told.var or Path(tempfile.mkdtemp(prefix="imager-storm-"))
    var.mkdir(exist_ok=True)
    var.chmod(0o711)
    aim = aim_of(told.kills)
    outcome = storm(Plan(aim, told.seed, told.minutes, told.rate, control=told.control, slow=told.slow), var)
    show(outcome)
    told.report.parent.mkdir(parents=True, exist_ok=True)
    told.report.write_text(json.dumps(asdict(outcome), indent=2) + "\n")
    if not told.var and not outcome.violations:
        shutil.rmtree(var)
    elif outcome.violations:
        print(f"everything is in {var}")
    return bool(outcome.violations)


def aim_of(kills: int) -> Aim:
    """A freeze for each ten kills, a crash of PostgreSQL for each two hundred."""
    return Aim(kills, max(kills // 10, 1), max(kills // 200, 1))


def show(outcome: Outcome) -> None:
    """A table for people."""
    print(f"seed {outcome.plan.seed}, {outcome.seconds:.0f} s")
    for title in ("counts", "restarts", "did", "facts"):
        print(f"{title}:")
        print(*(f"  {count:7} {name}" for name, count in sorted(getattr(outcome, title).items())), sep="\n")
    print(f"{len(outcome.violations)} violations")
    print(*(f"  {each}" for each in outcome.violations[:50]), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
