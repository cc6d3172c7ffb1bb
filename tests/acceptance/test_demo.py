"""`make demo` itself: exit code 0, everything proved, nothing left running."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from imager.services import running

pytestmark = pytest.mark.acceptance

ROOT = Path(__file__).parents[2]
PATIENCE = 900


def processes_with(word: str) -> list[str]:
    """Command lines and environments of all processes that speak of `word`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            text = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if word.encode() in text and int(entry.name) != os.getpid():
            found.append((entry / "cmdline").read_text(errors="replace"))
    return found


def test_the_demo_proves_everything_and_leaves_nothing_behind(tmp_path):
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o711)  # the database's account passes through when we are root
    var = tmp_path / "demo"
    environment = {
        name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}
    }

    done = subprocess.run(
        [sys.executable, "-m", "imager.demo"],
        cwd=ROOT,
        env=environment | {"IMAGER_VAR": str(var), "DJANGO_SETTINGS_MODULE": "imager.settings.dev"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    counted = re.search(r"All (\d+) checks hold", done.stdout)
    assert counted is not None
    proof = done.stdout.partition(" proof ")[2]
    assert int(counted[1]) == proof.count("\n  ✔ ")
    for slot in "AB":
        assert re.search(rf"^card \S+ in slot {slot}$", done.stdout, re.MULTILINE)
    assert "answers 206 to a Range request" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert running(var) is None
    assert processes_with(str(var)) == []
