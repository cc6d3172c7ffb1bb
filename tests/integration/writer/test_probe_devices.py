"""The probe on real block devices, good and forged, as its user starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.bad_cards import bad_card, bad_card_problem
from tests.doubles.cards import MIB, card_file

pytestmark = [
    pytest.mark.loop,
    pytest.mark.skipif(bool(bad_card_problem()), reason=bad_card_problem()),
]
ROOT = Path(__file__).resolve().parents[3]
CLAIMED = 64 * MIB
STEP = CLAIMED // 256


def probe(node: str) -> tuple[int, dict[str, Any]]:
    words = [node, "--yes", "--allow-non-removable", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "workers.writer.probe", *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert f"{node}: 67.1 MB" in done.stderr, "what is there is shown first"
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("real", [32 * MIB, 41 * MIB + 4096])
@pytest.mark.parametrize("limbo", [False, True], ids=["wraps", "limbo"])
def test_a_forged_device(tmp_path: Path, real: int, limbo: bool) -> None:
    medium = card_file(tmp_path / "medium", real)
    with bad_card(medium, claimed=CLAIMED, limbo=limbo) as device:
        code, found = probe(device.node)
    assert code == 6
    assert not found["good"]
    assert real - STEP <= found["proved_bytes"] <= real


def test_a_good_device_that_stumbles_once(tmp_path: Path) -> None:
    """A single error is no forgery."""
    medium = card_file(tmp_path / "medium", CLAIMED)
    with bad_card(medium) as device:
        once = [{"from": at, "to": at + 1, "times": 1, "on": "write"} for at in (9 * MIB, 60 * MIB)]
        device.set(errors=once)
        code, found = probe(device.node)
    assert (code, found["good"], found["proved_bytes"]) == (0, True, CLAIMED), found
