"""Nudges: a worker whose attempt shall end is told to beat at once, however rarely it beats by itself.

What it is told is nothing: the answer to its beat says which attempt to end. A lost nudge costs the time to
the next one, or to the next beat.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any, Final

from celery import Celery
from django.db.models import F
from django.db.models.functions import Now

from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Task
from workers.contract import Kind, nudge_of

AGAIN: Final = 3.0  # seconds, while the attempt goes on
PRESENT: Final = timedelta(minutes=2)  # since the last beat: nobody else listens
LIFE: Final = 30  # seconds that a nudge stays in the broker


class Nudges:
    """One scheduler's nudges. Another's, for the same attempt, change nothing: a list holds one at most."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._given: dict[tuple[str, int], float] = {}  # by task and attempt: when

    def ring(self) -> int:
        """Nudge whoever works on what was canceled. Returns how many. Raises the broker's error."""
        due = self._due()
        if due:
            self._push(sorted(set(due.values())))
            self._given |= dict.fromkeys(due, time.monotonic())
        return len(due)

    def _due(self) -> dict[tuple[str, int], str]:
        canceled = Task.objects.filter(
            status=TaskStatus.RUNNING,
            cancel_requested_at__isnull=False,
            host__last_seen_at__gt=Now() - PRESENT,
        )
        found = {
            (str(pk), attempt): nudge_of(Kind(kind), host)
            for pk, attempt, kind, host in canceled.values_list("pk", "attempt", "kind", F("host__name"))
        }
        now = time.monotonic()
        self._given = {one: at for one, at in self._given.items() if one in found}
        return {one: queue for one, queue in found.items() if now - self._given.get(one, -AGAIN) >= AGAIN}

    def _push(self, queues: list[str]) -> None:
        connection: Any  # celery-types takes it for a producer
        with self._app.pool.acquire(block=True) as connection:
            client = connection.default_channel.client
            with client.pipeline(transaction=False) as pipe:
                for queue in queues:
                    pipe.lpush(queue, "")
                    pipe.ltrim(queue, 0, 0)
                    pipe.expire(queue, LIFE)
                pipe.execute()
