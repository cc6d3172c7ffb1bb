"""gunicorn's settings: what hosts depend on."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from imager import serving
from tests.doubles.papers import ROOT
from workers.contract import REPORT_EVERY


def test_a_connection_outlives_the_longest_pause_between_two_beats() -> None:
    assert serving.keepalive > 1.2 * REPORT_EVERY


@pytest.mark.parametrize(("files", "connections"), [(1024, 768), (100, 64), (100_000, 20_000)])
def test_there_are_never_more_connections_than_files(files: int, connections: int) -> None:
    """A worker that may open no more files ends with an error."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if files > most != resource.RLIM_INFINITY:
        connections = min(connections, most - serving.SPARE)
        files = most
    script = (
        "import resource, sys; files = int(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, files))\n"
        "from imager import serving; print(serving.worker_connections)\n"
    )
    argv = [sys.executable, "-c", script, str(files)]
    assert int(subprocess.check_output(argv, text=True, cwd=ROOT)) == connections


def test_gunicorn_takes_them() -> None:
    argv = ["-m", "gunicorn", "-c", "python:imager.serving", "--print-config", "imager.wsgi"]
    told = subprocess.check_output([sys.executable, *argv], text=True, cwd=ROOT)
    settings = dict(line.split("=", 1) for line in told.replace(" ", "").splitlines() if "=" in line)
    assert settings["keepalive"] == str(serving.keepalive)
    assert settings["worker_connections"] == str(serving.worker_connections)
