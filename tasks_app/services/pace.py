"""How often attempts may tell their progress: each second while few are at work, rarer when they are many."""

from __future__ import annotations

import threading
import time

from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Task
from workers.contract import REPORT_AT_MOST_EVERY, REPORT_EVERY

REPORTS_A_SECOND = 100  # of progress alone, from all hosts together
COUNTED_EVERY = 5.0  # seconds


class _Counted:
    """How many attempts run, as this process last looked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._until = 0.0

    def running(self) -> int:
        now = time.monotonic()
        with self._lock:
            if now < self._until:
                return self._running
            self._until = now + COUNTED_EVERY  # one thread counts; the others need not wait for it
        self._running = Task.objects.filter(status=TaskStatus.RUNNING).count()
        return self._running


_counted = _Counted()


def between_reports() -> float:
    """Seconds between two reports of one attempt that bring no new step."""
    return pace_of(_counted.running())


def pace_of(running: int) -> float:
    """The same for so many attempts at work."""
    return round(min(max(running / REPORTS_A_SECOND, REPORT_AT_MOST_EVERY), REPORT_EVERY), 1)
