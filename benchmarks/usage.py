"""What a stretch of time cost: seconds of CPU by part, and the database's own counters."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imager.stack import Line

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Reading:
    """All counters at one moment."""

    at: float
    busy: float  # seconds, of all cores
    parts: dict[str, float]
    database: dict[str, int]


def read(line: Line) -> Reading:
    """The counters now."""
    roots = {process.name: process.child.pid for process in line.processes.running}
    roots |= {server.name: server.popen.pid for server in line.servers.servers}
    return Reading(time.monotonic(), _busy(), {name: _tree(pid) for name, pid in roots.items()}, _database())


def between(before: Reading, after: Reading) -> dict[str, Any]:
    """What happened between two readings."""
    seconds = after.at - before.at
    rows = {name: after.database[name] - before.database[name] for name in after.database}
    return {
        "cpu_percent": round(100 * (after.busy - before.busy) / seconds / (os.cpu_count() or 1), 1),
        "cpu_percent_of_one_core": {
            name: round(100 * (after.parts[name] - before.parts[name]) / seconds, 1) for name in after.parts
        },
        "database": {f"{name}_per_second": round(count / seconds, 1) for name, count in rows.items()},
    }


def _busy() -> float:
    user, nice, system, _idle, _wait, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq) / TICKS


def _tree(root: int) -> float:
    """CPU of a process and its children, the ended ones included."""
    total = 0.0
    for pid in _descendants(root):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(map(int, fields[11:15])) / TICKS
    return total


def _descendants(root: int) -> list[int]:
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                todo += map(int, task.read_text().split())
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def _database() -> dict[str, int]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT xact_commit, tup_inserted + tup_updated + tup_deleted FROM pg_stat_database "
            "WHERE datname = current_database()"
        )
        row = cursor.fetchone()
    assert row is not None
    return {"commits": row[0], "rows_written": row[1]}
