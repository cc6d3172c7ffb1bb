"""The faults of the storm, many a second: who is hit, and by what, is chosen by the seed."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import redis

from tests.acceptance.chaos.freeze import Freezer
from tests.acceptance.chaos.processes import command, descendants, kill

from .line import Part, StormLine
from .sowing import CREATORS

HELD = 4  # the exit code of a worker whose data folder another one has
MOST_FROZEN = 4
INNER = 0.5  # the share of kills that hit them
RIVAL = " rival"  # a second worker in the data folder of one that stands still


@dataclass
class Aim:
    """How many of each are wanted, in all."""

    kills: int
    freezes: int
    crashes: int


@dataclass
class Gusts:
    """Injects faults and counts them."""

    line: StormLine
    chance: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    _frozen: list[tuple[float, Part, Part | None]] = field(default_factory=list)
    _freezer: Freezer = field(default_factory=Freezer)

    def kills(self) -> int:
        return sum(count for name, count in self.counts.items() if name.startswith("kill"))

    def freezes(self) -> int:
        return sum(count for name, count in self.counts.items() if name.startswith("freeze"))

    def crashes(self) -> int:
        return sum(count for name, count in self.counts.items() if name.startswith("postgres"))

    def blow(self, aim: Aim) -> None:
        """One fault: of whatever kind is most behind."""
        behind = {
            self._freeze: self.freezes() / aim.freezes,
            self._crash: self.crashes() / aim.crashes,
            self._broker: (self.counts["broker killed"] + self.counts["broker flushed"]) / 3 / aim.crashes,
        }
        done = self.kills() / aim.kills
        late = [kind for kind, share in behind.items() if share < done]
        kind: Callable[[], bool] = self.chance.choice(late) if late else self._kill
        if not kind():
            self._kill()

    def tend(self, *, all_of_them: bool = False) -> None:
        """Let go on what was frozen long enough; its replacement goes a little later."""
        self._freezer.thaw(all_of_them=all_of_them)
        now = time.monotonic()
        due = [entry for entry in self._frozen if all_of_them or entry[0] <= now]
        self._frozen = [entry for entry in self._frozen if entry not in due]
        for _, _part, twin in due:
            if twin:
                twin.wanted = False
                gentle = not twin.name.endswith(RIVAL)
                self.line.signal(twin, signal.SIGTERM if gentle else signal.SIGKILL)

    def _parts(self) -> list[Part]:
        return [part for part in self.line.parts.values() if part.pid]

    def _kill(self) -> bool:
        """Any process; those of attempts and of the web, which come and go, more often than the rest."""
        parts = self._parts()
        inner = [found for part in parts for found in self._inner(part)]
        if inner and self.chance.random() < INNER:
            name, pid = self.chance.choice(inner)
            done = kill(pid)
        else:
            part = self.chance.choice(parts)
            name = part.name
            self.line.signal(part, signal.SIGKILL)
            done = True
        self.counts[f"kill {name}"] += done
        return done

    def _inner(self, part: Part) -> list[tuple[str, int]]:
        """Processes below a part: the web's workers, the processes of attempts."""
        below = descendants(part.pid)
        if part.name == "web":
            return [("web's worker", pid) for pid in below]
        return [(f"{part.name}'s child", pid) for pid in below if _session(pid) == pid]

    def _freeze(self) -> bool:
        """Longer than until reclaim; a replacement is started beside the one that stands still."""
        if len(self._frozen) >= MOST_FROZEN:
            return False
        standing = {part.name for _, part, _ in self._frozen}
        hosts = [part for part in self._parts() if part.role == "worker" and part.wanted]
        hosts = [part for part in hosts if not self._attended(part)]
        others = [part for part in self._parts() if part.role in ("scheduler", "server-worker", "warehouse")]
        part = self.chance.choice(hosts if self.chance.random() < 0.8 else others)
        if part.name in standing:
            return False
        seconds = self.line.times["TASK_RECLAIM"] + self.chance.uniform(0.7, 2.5)
        children = [pid for _, pid in self._inner(part)] if self.chance.random() < 0.5 else []
        if not self._freezer.freeze(part.pid, *children, seconds=seconds):
            return False
        twin = self._replace(part)
        self._frozen.append((time.monotonic() + seconds + self.chance.uniform(0.2, 1.5), part, twin))
        self.counts[f"freeze {part.name}"] += 1
        return True

    def _attended(self, part: Part) -> bool:
        """Whether a rival of an earlier freeze is still there."""
        rival = self.line.parts.get(part.name + RIVAL)
        return bool(rival and rival.pid)

    def _replace(self, part: Part) -> Part | None:
        """For a creator one with the same account; at a writer host it must find the folder taken."""
        twin = self.line.parts.get(f"{part.name}-twin") if part.name in CREATORS else None
        if twin:
            twin.wanted = True
        elif part.role == "worker":
            rival = Part(
                f"{part.name} rival", part.zygote, part.role, part.arguments, part.environment, wanted=False
            )
            self.line.start(rival)
            self.counts["replacement at a taken folder"] += 1
        return twin

    def _crash(self) -> bool:
        """Of the server at once, of the server by SIGKILL, or of one of its processes."""
        postmaster = self.line.servers.servers[0].popen.pid
        how = self.chance.choice(["immediate", "killed", "backend killed"])
        if how == "backend killed":
            backends = [pid for pid in descendants(postmaster) if "imager imager" in command(pid)]
            done = bool(backends) and kill(self.chance.choice(backends))
        else:
            os.kill(postmaster, signal.SIGQUIT if how == "immediate" else signal.SIGKILL)
            self.line.servers.servers[0].popen.wait()
            _await_end(postmaster)
            done = True
        self.counts[f"postgres {how}"] += done
        return done

    def _broker(self) -> bool:
        if self.chance.random() < 0.5:
            self.line.servers.servers[1].popen.kill()
            self.line.servers.servers[1].popen.wait()
            self.counts["broker killed"] += 1
        else:
            with redis.Redis.from_url(self.line.servers.redis_url) as broker:
                broker.flushall()
            self.counts["broker flushed"] += 1
        return True


def _await_end(_postmaster: int) -> None:
    """The processes of a killed postmaster end by themselves; PostgreSQL does not start before."""
    time.sleep(0.1)


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0
