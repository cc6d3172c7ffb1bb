"""What goes wrong: a process is killed (and started again, as a supervisor does), a server crashes."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import redis

from imager.stack import Line

RESTART_AFTER = 0.3  # seconds that a supervisor waits


class Faults:
    """Injects one fault after another, chosen by `chance`; counts them by kind."""

    def __init__(self, line: Line, chance: random.Random) -> None:
        self._line = line
        self._chance = chance
        self._dead: dict[str, float] = {}
        self.counts: Counter[str] = Counter()
        self.restarts: Counter[str] = Counter()
        parts = ("creator-1", "scheduler", "web", "warehouse", "server-worker", "writer-host")
        self._kinds: dict[str, Callable[[], bool]] = {
            **{f"kill {part}": lambda part=part: self._kill_part(part) for part in parts},
            "kill creator's child": lambda: self._kill_inner("creator-1", "workers.job"),
            "kill downloader": lambda: self._kill_inner("writer-host", "downloader"),
            "kill writer": lambda: self._kill_inner("writer-host", "writer"),
            "kill writer's child": lambda: self._kill_inner("writer-host", "workers.job"),
            "flush valkey": self._flush,
            "crash postgres": self._crash_postgres,
        }

    def inject(self) -> None:
        """One fault; another kind when the chosen one finds nothing to hit."""
        kinds = list(self._kinds)
        self._chance.shuffle(kinds)
        for kind in kinds:
            if self._kinds[kind]():
                self.counts[kind] += 1
                return

    def tend(self) -> None:
        """Start again what has ended."""
        for process in list(self._line.processes.running):
            if process.child.poll() is None:
                continue
            died = self._dead.setdefault(process.name, time.monotonic())
            if time.monotonic() - died > RESTART_AFTER:
                del self._dead[process.name]
                self._line.processes.restart(process)
                self.restarts[process.name] += 1

    def _kill_part(self, name: str) -> bool:
        process = next(part for part in self._line.processes.running if part.name == name)
        if process.child.poll() is not None:
            return False
        process.child.kill()
        return True

    def _kill_inner(self, part: str, word: str) -> bool:
        """A process below `part` whose command line has `word` in it."""
        process = next(each for each in self._line.processes.running if each.name == part)
        found = [pid for pid in descendants(process.child.pid) if word in command(pid)]
        if not found:
            return False
        return kill(self._chance.choice(found))

    def _flush(self) -> bool:
        with redis.Redis.from_url(self._line.servers.redis_url) as broker:
            broker.flushall()
        return True

    def _crash_postgres(self) -> bool:
        """A backend is killed: PostgreSQL ends all others at once and recovers from its log."""
        postmaster = self._line.servers.servers[0].popen.pid
        backends = [pid for pid in descendants(postmaster) if "imager imager" in command(pid)]
        return bool(backends) and kill(self._chance.choice(backends))


def kill(pid: int) -> bool:
    """SIGKILL; False if it was gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def command(pid: int) -> str:
    """Its command line; empty when it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def descendants(root: int) -> list[int]:
    """All processes below `root`."""
    found, todo = [], [root]
    while todo:
        for task in Path(f"/proc/{todo.pop()}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                children = [int(pid) for pid in task.read_text().split()]
                found += children
                todo += children
    return found
