"""The line as the chaos has it: short patience, a lossy proxy, a mailbox, two creators and two schedulers,
and, where this machine allows it, clocks, small disks and islands of their own for its hosts."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from imager.demo import seeds
from imager.stack import Line, start
from imager.stack.line import free_port
from imager.stack.processes import Extra

from . import clock, full_disk, partition
from .mailbox import Mailbox
from .proxy import Lossy

CREATORS = ("creator-1", "creator-2")
HOSTS = (*CREATORS, "writer-host")
PARTS = (*HOSTS, "web", "scheduler", "scheduler-2", "warehouse", "server-worker")
DISKS = {"creator-1": "creator-1", "writer-host": "writer-1"}  # part → its data folder
DISK_MB = 1500
RECLAIM = 10.0
SHORT = {
    "TASK_LEASE": "5",
    "TASK_REPORT_EVERY": "2",
    "TASK_RECLAIM": str(RECLAIM),
    "TASK_PAUSE": "0.5",
    "SWEEP_EVERY": "1",
}


@dataclass
class World:
    """The line, and what it is made to suffer by. `missing`: what this machine cannot do, and why."""

    line: Line
    proxy: Lossy
    mailbox: Mailbox
    clocks: clock.Clocks | None = None
    disks: Mapping[str, full_disk.SmallDisk] = field(default_factory=dict)
    islands: Mapping[str, partition.Island] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


@contextmanager
def world(*, seed: int, rate: float, full: bool = True) -> Iterator[World]:
    """A running world; without `full` only what needs no root and no extra program."""
    small = {
        name: (title, place, min(size, 300_001)) for name, (title, place, size) in seeds.CONTENTS.items()
    }
    with ExitStack() as undo:
        undo.enter_context(patch.object(seeds, "CONTENTS", small))
        var = Path(tempfile.mkdtemp(prefix="imager-chaos-"))  # pytest would close the folder above
        undo.callback(shutil.rmtree, var)
        var.chmod(0o711)  # the database's account passes through when we are root, also when it recovers
        mailbox = Mailbox(free_port())
        undo.callback(mailbox.stop)
        port, proxy_port = free_port(), free_port()
        proxy = Lossy(proxy_port, f"http://127.0.0.1:{port}", seed=seed, rate=0.0)
        undo.callback(proxy.stop)
        clocks, disks, islands, missing = _surroundings(var, undo, full=full)
        mail = {
            "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": str(mailbox.port),
        }
        line = start(
            var,
            port=port,
            creators=CREATORS,
            schedulers=2,
            environment={**SHORT, **mail},
            extras=_extras(proxy.url, clocks, islands),
        )
        undo.callback(line.stop)
        proxy.rate = rate
        yield World(line, proxy, mailbox, clocks, disks, islands, missing)


def _surroundings(
    var: Path, undo: ExitStack, *, full: bool
) -> tuple[clock.Clocks | None, dict[str, full_disk.SmallDisk], dict[str, partition.Island], list[str]]:
    if not full:
        return None, {}, {}, []
    missing, disks, islands = [], {}, {}
    if not clock.LIBRARY:
        missing.append(clock.MISSING)
    if os.geteuid() == 0:
        (var / "hosts").mkdir(mode=0o700)
        for part, folder in DISKS.items():
            disks[part] = full_disk.SmallDisk(var / "hosts" / folder, DISK_MB)
            undo.callback(disks[part].remove)
    else:
        missing.append(full_disk.MISSING)
    if partition.possible():
        for number, part in enumerate(("creator-1", "writer-host")):
            islands[part] = partition.Island(part, number)
            undo.callback(islands[part].remove)
    else:
        missing.append(partition.MISSING)
    return clock.Clocks(var / "clocks") if clock.LIBRARY else None, disks, islands, missing


def _extras(
    url: str, clocks: clock.Clocks | None, islands: Mapping[str, partition.Island]
) -> dict[str, Extra]:
    extras = {}
    for part in PARTS:
        environment = dict(clocks.environment(part)) if clocks else {}
        if part in HOSTS:
            environment["IMAGER_URL"] = url
        if part == "warehouse":
            environment |= {"WAREHOUSE_SERVER_URL": url, "WAREHOUSE_POLL_SECONDS": "2"}
        extras[part] = Extra(islands[part].prefix if part in islands else (), environment)
    return extras
