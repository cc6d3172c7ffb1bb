"""What goes wrong, by kind: chosen by chance or by name, counted, and set right again after its time."""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

import redis

from imager.services import ServicesError

from .clock import DAY
from .freeze import Freezer
from .processes import command, descendants, kill
from .world import CREATORS, HOSTS, PARTS, RECLAIM, World

RESTART_AFTER = 0.3  # seconds that a supervisor waits
FREEZE = (RECLAIM + 4, RECLAIM + 8)  # seconds: meanwhile a build is taken away, and begun by the next host
BLACK_HOLE = (5.0, 15.0)
Kinds = dict[str, Callable[[], bool]]


class Faults:
    """Injects one fault after another; a kind that finds nothing to hit says False and is not counted."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self._world, self._line, self._chance = world, world.line, chance
        self._freezer = Freezer()
        self._dead: dict[str, float] = {}
        self._later: list[tuple[float, str, Callable[[], object]]] = []
        self.counts: Counter[str] = Counter()
        self.restarts: Counter[str] = Counter()
        self.kinds: Kinds = {
            **self._kills(), **self._freezes(), **self._servers(), **self._mails(),
            **self._clocks(), **self._disks(), **self._partitions(),
        }  # fmt: skip

    def inject(self, *names: str) -> str | None:
        """One fault; another kind when the chosen one finds nothing to hit. Its kind."""
        kinds = list(names or self.kinds)
        rare_first = sorted(kinds, key=lambda kind: (self.counts[kind], self._chance.random()))
        chosen = rare_first if self._chance.random() < 0.5 else self._chance.sample(kinds, len(kinds))
        for kind in chosen:
            if self.kinds[kind]():
                self.counts[kind] += 1
                return kind
        return None

    def tend(self) -> None:
        """Set right what has lasted long enough, and start again what has ended."""
        self._freezer.thaw()
        now = time.monotonic()
        for entry in [entry for entry in self._later if entry[0] <= now]:
            self._later.remove(entry)
            entry[2]()
        with contextlib.suppress(ServicesError):  # not yet: next time
            self.restarts.update(self._line.servers.revive())
        for process in list(self._line.processes.running):
            if process.child.poll() is None:
                continue
            died = self._dead.setdefault(process.name, now)
            if now - died > RESTART_AFTER:
                del self._dead[process.name]
                self._line.processes.restart(process)
                self.restarts[process.name] += 1

    def calm(self) -> None:
        """All that lasts ends now."""
        self._freezer.thaw(all_of_them=True)
        for _, _, undo in self._later:
            undo()
        self._later.clear()

    # kills

    def _kills(self) -> Kinds:
        inner = {
            "kill downloader": ("writer-host", "workers downloader"),
            "kill writer": ("writer-host", "workers writer"),
            "kill writer host's child": ("writer-host", "workers.job"),
        }
        return {
            **{f"kill {part}": partial(self._kill, part) for part in PARTS},
            "kill a creator's child": lambda: any(
                self._kill_inner(part, "workers.job") for part in self._creators()
            ),
            **{kind: partial(self._kill_inner, *where) for kind, where in inner.items()},
        }

    def _creators(self) -> list[str]:
        """In any order."""
        return self._chance.sample(CREATORS, len(CREATORS))

    def _kill(self, part: str) -> bool:
        process = self._line.part(part)
        if process.child.poll() is not None:
            return False
        process.child.kill()
        return True

    def _kill_inner(self, part: str, word: str) -> bool:
        """A process below `part` whose command line has `word` in it."""
        found = self._inner(part, word)
        return bool(found) and kill(self._chance.choice(found))

    def _inner(self, part: str, word: str) -> list[int]:
        return [pid for pid in descendants(self._line.part(part).child.pid) if word in command(pid)]

    # freezes

    def _freezes(self) -> Kinds:
        short = ("scheduler", "scheduler-2", "web", "warehouse", "server-worker")
        return {
            **{f"freeze {part} past reclaim": partial(self._freeze, part, FREEZE) for part in HOSTS},
            "freeze a creator past reclaim, not its child": lambda: any(
                self._freeze_alone(part) for part in self._creators()
            ),
            **{
                f"freeze the child of {part}": partial(self._freeze_inner, part, "workers.job")
                for part in HOSTS
            },
            "freeze writer, not its child": partial(self._freeze_inner, "writer-host", "workers writer"),
            **{f"freeze {part}": partial(self._freeze, part, BLACK_HOLE) for part in short},
        }

    def _freeze(self, part: str, span: tuple[float, float]) -> bool:
        pid = self._line.part(part).child.pid
        return self._alive(part) and self._freezer.freeze_tree(pid, self._chance.uniform(*span))

    def _freeze_alone(self, part: str) -> bool:
        """Its work goes on while nobody hears of it."""
        pid = self._line.part(part).child.pid
        at_work = self._alive(part) and self._inner(part, "workers.job")
        return bool(at_work) and self._freezer.freeze(pid, seconds=self._chance.uniform(*FREEZE))

    def _freeze_inner(self, part: str, word: str) -> bool:
        found = [pid for pid in self._inner(part, word) if not self._freezer.is_frozen(pid)]
        return bool(found) and self._freezer.freeze(
            self._chance.choice(found), seconds=self._chance.uniform(*FREEZE)
        )

    def _alive(self, part: str) -> bool:
        child = self._line.part(part).child
        return child.poll() is None and not self._freezer.is_frozen(child.pid)

    # servers

    def _servers(self) -> Kinds:
        return {
            "flush valkey": self._flush,
            "restart valkey": lambda: self._end_server(1, signal.SIGKILL),
            "valkey a black hole": lambda: self._black_hole(1),
            "crash a backend of PostgreSQL": self._crash_backend,
            "restart PostgreSQL, immediate": lambda: self._end_server(0, signal.SIGQUIT),
        }

    def _flush(self) -> bool:
        with redis.Redis.from_url(self._line.servers.redis_url, socket_timeout=2) as broker:
            try:
                broker.flushall()
            except redis.RedisError:
                return False  # it is away by another fault
        return True

    def _end_server(self, place: int, number: signal.Signals) -> bool:
        server = self._line.servers.servers[place]
        if not server.is_alive() or self._freezer.is_frozen(server.popen.pid):
            return False
        server.popen.send_signal(number)
        return True

    def _black_hole(self, place: int) -> bool:
        server = self._line.servers.servers[place]
        if not server.is_alive() or self._freezer.is_frozen(server.popen.pid):
            return False
        return self._freezer.freeze(server.popen.pid, seconds=self._chance.uniform(*BLACK_HOLE))

    def _crash_backend(self) -> bool:
        """A backend is killed: PostgreSQL ends all others at once and recovers from its log."""
        postmaster = self._line.servers.servers[0].popen.pid
        backends = [pid for pid in descendants(postmaster) if "imager imager" in command(pid)]
        return bool(backends) and kill(self._chance.choice(backends))

    # mails, clocks, disks, links

    def _mails(self) -> Kinds:
        return {"mail server busy": self._busy_mails, "mail server hangs up": self._hang_up}

    def _busy_mails(self) -> bool:
        self._world.mailbox.refusals += 2
        return True

    def _hang_up(self) -> bool:
        self._world.mailbox.hang_ups += 1
        return True

    def _clocks(self) -> Kinds:
        if self._world.clocks is None:
            return {}
        return {
            f"clock of {part} jumps a day {way}": partial(self._jump, part, days * DAY)
            for part in PARTS
            for way, days in (("forwards", 1), ("back", -1))
        }

    def _jump(self, part: str, seconds: int) -> bool:
        clocks = self._world.clocks
        assert clocks is not None
        return self._for_a_while(
            f"clock of {part}", BLACK_HOLE, lambda: clocks.set(part, seconds), lambda: clocks.set(part, 0)
        )

    def _disks(self) -> Kinds:
        return {
            f"full disk of {part}": partial(
                self._for_a_while, f"disk of {part}", BLACK_HOLE, disk.fill, disk.free
            )
            for part, disk in self._world.disks.items()
        }

    def _partitions(self) -> Kinds:
        kinds: Kinds = {}
        for part, island in self._world.islands.items():
            for word, cut in (("drops everything", island.drop), ("is pulled", island.pull)):
                begin, end = partial(cut, on=True), partial(cut, on=False)
                kinds[f"link of {part} {word}"] = partial(
                    self._for_a_while, f"link of {part}", FREEZE, begin, end
                )
        return kinds

    def _for_a_while(
        self,
        what: str,
        span: tuple[float, float],
        begin: Callable[[], object],
        end: Callable[[], object],
    ) -> bool:
        """One such fault of a thing at a time."""
        if any(what == name for _, name, _ in self._later):
            return False
        begin()
        self._later.append((time.monotonic() + self._chance.uniform(*span), what, end))
        return True
