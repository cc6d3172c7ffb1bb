"""What the kernel says about this machine and its processes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_STARTTIME = 19  # field 22 of /proc/PID/stat, counted behind the name in brackets


def boot_id() -> str:
    """The kernel's name of this boot. A disk sequence number names an insertion only within one boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def uptime() -> float:
    """Seconds since this boot, sleep included: the one clock that all processes of the host share."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def started(pid: int) -> int | None:
    """When `pid` began, in clock ticks since boot; None when there is no such process.

    Pid and start time together name a process; a pid alone may be somebody else's by now.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(text.rpartition(")")[2].split()[_STARTTIME])


def end_with(parent: int, number: signal.Signals) -> None:
    """Get `number` when the thread of `parent` that started us ends, or now if that was before."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def kill_marked(variable: str, value: str) -> list[int]:
    """Kill every process of ours that has `variable=value` in its environment; the pids killed.

    A process that is just being started shows no environment yet: so we look again until nobody new is found.
    """
    wanted = f"{variable}={value}".encode()
    killed: list[int] = []
    while fresh := [pid for pid in _marked(wanted) if pid not in killed]:
        for pid in fresh:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # gone, or not ours
                os.kill(pid, signal.SIGKILL)
        killed += fresh
    return killed


def _marked(wanted: bytes) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name)
        except (PermissionError, FileNotFoundError, ProcessLookupError):
            continue  # somebody else's, or gone


def kill_group(pid: int, start: int) -> bool:
    """Kill the process group that `pid` leads, if `pid` is still the process that began at `start`."""
    if started(pid) != start:
        return False
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
