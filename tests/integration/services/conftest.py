"""What the tests of the embedded services share."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@dataclass
class Supervisor:
    """`python -m imager.services` as a process of its own."""

    var: Path
    popen: subprocess.Popen[str]
    printed: list[str] = field(default_factory=list)

    def await_ready(self) -> dict:
        """What it tells others, once it prints that it runs."""
        assert self.popen.stdout is not None
        self.printed.append(self.popen.stdout.readline())
        if "are running" not in self.printed[-1]:
            pytest.fail(f"no start: {self.printed} {self.popen.communicate()}")
        return self.state()

    def state(self) -> dict:
        return json.loads((self.var / "services.json").read_text())

    def end(self) -> tuple[int, str, str]:
        """Exit code and the rest of what it said."""
        out, err = self.popen.communicate(timeout=60)
        return self.popen.returncode, out, err


def environment(**more: str) -> dict[str, str]:
    """Ours without the addresses of the run's own services."""
    kept = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    return {**kept, **more}


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Supervisor]]:
    """Start supervisors; whatever the test does to them, none is left."""
    started = []

    def supervise(var: Path = tmp_path / "var", python: str = sys.executable, **popen: object) -> Supervisor:
        popen.setdefault("env", environment())
        argv = [python, "-m", "imager.services", "--var", str(var)]
        pipe = subprocess.PIPE
        popen.setdefault("cwd", ROOT)
        process = subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True, **popen)
        started.append(process)
        return Supervisor(var, process)

    yield supervise
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def pids(state: dict) -> list[int]:
    return [state["postgres"]["pid"], state["valkey"]["pid"]]


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def vanish(pids: list[int], within: float = 30) -> bool:
    """Wait for these processes to be gone."""
    deadline = time.monotonic() + within
    while any(map(is_alive, pids)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
