"""How often hosts speak up: each second while few are at work, rarer when they are many."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

from django.conf import settings
from django.db.models.functions import Now

from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Host, Task
from workers.contract import BEAT_EVERY, REPORT_AT_MOST_EVERY, REPORT_EVERY

SIGNS_A_SECOND = 100  # of attempts that bring no new step, from all hosts together
BEATS_A_SECOND = 700  # of hosts that wait for work
COUNTED_EVERY = 5.0  # seconds
PRESENT = timedelta(minutes=2)


class _Counted:
    """How many attempts run and how many hosts are there, as this process last looked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found = (0, 0)
        self._until = 0.0

    def look(self) -> tuple[int, int]:
        now = time.monotonic()
        with self._lock:
            if now < self._until:
                return self._found
            self._until = now + COUNTED_EVERY  # one thread counts; the others need not wait for it
        running = Task.objects.filter(status=TaskStatus.RUNNING).count()
        self._found = running, Host.objects.filter(last_seen_at__gt=Now() - PRESENT).count()
        return self._found


_counted = _Counted()


def told() -> tuple[float, float]:
    """Seconds between two signs of life of an attempt, and between two beats of a host without any."""
    running, hosts = _counted.look()
    return at_work(running), waiting(hosts)


def at_work(running: int) -> float:
    """With so many attempts at work. However many: three signs of life fit into a lease."""
    rarest: float = min(REPORT_EVERY, settings.TASK_REPORT_EVERY, settings.TASK_LEASE / 3)
    return round(min(max(running / SIGNS_A_SECOND, REPORT_AT_MOST_EVERY), rarest), 1)


def waiting(hosts: int) -> float:
    """With so many hosts."""
    return round(min(max(hosts / BEATS_A_SECOND, BEAT_EVERY), REPORT_EVERY), 1)
