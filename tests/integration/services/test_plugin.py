"""The pytest plugin: servers for the whole run, before the settings, and none left after it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT, environment

INI = """
[pytest]
markers = hardware: opt-in
"""

ASKS = """
import os

import psycopg
import pytest
import redis

@pytest.mark.parametrize("n", range(4))
def test_servers(n):
    with psycopg.connect(os.environ["DATABASE_URL"]) as db:
        db.execute("SELECT 1")
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as broker:
        assert broker.incr("seen") >= 1
"""


@pytest.fixture
def run(tmp_path):
    """Run pytest with the plugin on files in a folder of its own; temporary files go to `tmp`."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "pytest.ini").write_text(INI)

    def run(*arguments: str, django: bool = False, **variables: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "pytest", "-p", "tests.services", "-p", "no:cacheprovider", "-rs"]
        argv += ["--rootdir", str(tmp_path), *([] if django else ["-p", "no:django"]), *arguments]
        more = {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "tmp"), **variables}
        kept = {name: value for name, value in environment(**more).items() if not name.startswith("PYTEST_")}
        kept.pop("DJANGO_SETTINGS_MODULE", None)
        return subprocess.run(
            argv, cwd=tmp_path, env=kept | variables, capture_output=True, text=True, check=False, timeout=300
        )

    return run


def left_over(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "tmp").iterdir() if path.name.startswith("imager-tests-")]


def running_below(folder: Path) -> list[str]:
    """Command lines of processes that work below `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(folder):
                found.append((process / "cmdline").read_text())
        except OSError:
            continue  # gone, or not ours to look at
    return found


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_the_run_has_servers_and_leaves_none(run, tmp_path, workers):
    (tmp_path / "test_asks.py").write_text(ASKS)
    done = run(*workers)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
    assert "services: embedded, in " in done.stdout
    assert left_over(tmp_path) == []
    assert running_below(tmp_path) == []


def test_settings_find_them_already(run, tmp_path):
    (tmp_path / "some_settings.py").write_text(
        "import os\nADDRESSES = [os.environ['DATABASE_URL'], os.environ['REDIS_URL']]\nSECRET_KEY = 'x'\n"
    )
    (tmp_path / "test_settings.py").write_text(
        "from django.conf import settings\ndef test_settings():\n    assert len(settings.ADDRESSES) == 2\n"
    )
    path = f"{ROOT}:{tmp_path}"
    done = run(django=True, DJANGO_SETTINGS_MODULE="some_settings", PYTHONPATH=path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_servers_that_are_named_are_used(run, tmp_path):
    (tmp_path / "test_named.py").write_text(
        "import os\ndef test_named():\n"
        "    assert (os.environ['DATABASE_URL'], os.environ['REDIS_URL']) == ('postgres://mine', 'redis://mine')\n"
    )
    done = run(DATABASE_URL="postgres://mine", REDIS_URL="redis://mine")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "services:" not in done.stdout


def test_the_one_that_is_not_named_is_started(run, tmp_path):
    (tmp_path / "test_half.py").write_text(
        "import os\ndef test_half():\n"
        "    assert os.environ['DATABASE_URL'] == 'postgres://mine'\n"
        "    assert '127.0.0.1' in os.environ['REDIS_URL']\n"
    )
    done = run(DATABASE_URL="postgres://mine")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_run_that_breaks_at_its_start_leaves_nothing(run, tmp_path):
    (tmp_path / "conftest.py").write_text("raise RuntimeError('broken at its start')\n")
    done = run(str(tmp_path))
    assert done.returncode != 0
    assert "broken at its start" in done.stdout + done.stderr
    assert left_over(tmp_path) == []
    assert running_below(tmp_path) == []


@pytest.mark.parametrize("asked", ["--help", "--version"])
def test_nothing_is_started_only_to_explain(run, asked):
    done = run(asked)
    assert done.returncode == 0
    assert "services:" not in done.stdout


def test_hardware_is_opt_in_and_the_skip_names_the_flag(run, tmp_path):
    (tmp_path / "test_reader.py").write_text(
        "import pytest\n@pytest.mark.hardware\ndef test_reader():\n    assert False, 'really ran'\n"
    )
    named = {"DATABASE_URL": "postgres://mine", "REDIS_URL": "redis://mine"}
    skipped = run(**named)
    assert skipped.returncode == 0
    assert "run with --hardware" in skipped.stdout
    ran = run("--hardware", **named)
    assert ran.returncode == 1
    assert "really ran" in ran.stdout
