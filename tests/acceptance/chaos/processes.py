"""Looking at processes, and sending them signals."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from workers.machine import started


def kill(pid: int) -> bool:
    """SIGKILL; False if it was gone."""
    return send(pid, signal.SIGKILL)


def send(pid: int, number: signal.Signals) -> bool:
    """A signal; False if the process was gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


def command(pid: int) -> str:
    """Its command line; empty when it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def parent(pid: int) -> int:
    """Whose child it is; 0 when it is gone."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def descendants(root: int) -> list[int]:
    """All processes below `root`."""
    found, todo = [], [root]
    while todo:
        with contextlib.suppress(OSError):  # it may end while we look
            for task in Path(f"/proc/{todo.pop()}/task").glob("*/children"):
                children = [int(pid) for pid in task.read_text().split()]
                found += children
                todo += children
    return found


def named(pid: int) -> tuple[int, int | None]:
    """What names a process for good: a pid alone may be somebody else's by now."""
    return pid, started(pid)


def marked(variable: str, value: str) -> list[int]:
    """Our processes that have `variable=value` in their environment."""
    wanted, found = f"{variable}={value}".encode(), []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found
