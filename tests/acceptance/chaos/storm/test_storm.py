"""A short storm in each test run. Long ones, and storms with a wall down: `make storm`, `docs/storm.md`."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.chaos.storm.__main__ import aim_of, show
from tests.acceptance.chaos.storm.driver import Plan, storm

pytestmark = pytest.mark.acceptance


@pytest.fixture
def var() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="imager-storm-"))
    folder.chmod(0o711)  # the database's account passes through when we are root
    yield folder
    shutil.rmtree(folder)


def test_a_short_storm_breaks_nothing(var):
    outcome = storm(Plan(aim_of(100), seed=int(os.environ.get("STORM_SEED", "1")), minutes=0.6), var)

    show(outcome)
    assert outcome.facts["orders"] > 0
    assert sum(count for kind, count in outcome.counts.items() if kind.startswith("kill")) >= 20
    assert outcome.facts["cards accepted"] > 0
    assert not outcome.violations


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("wall", "sentences"),
    [
        ("fence", ("an event was taken in", "two endings", "a task is done without")),
        ("constraints", ("one key made", "two orders have one key")),
    ],
)
def test_without_the_wall_the_storm_finds_what_it_held_back(var, wall, sentences):
    outcome = storm(Plan(aim_of(3000), seed=3, minutes=4, control=wall, settle=60), var)

    show(outcome)
    assert outcome.facts["cards accepted"] > 0, "nothing went on at all, which proves nothing"
    assert [each for each in outcome.violations if each.startswith(sentences)]
