"""Bells. A transaction that queues work says NOTIFY; the scheduler hears it and rings the right queue."""

from __future__ import annotations

from django.db import connection

from tasks_app.models import Task
from workers.contract import CELERY_NAMES, PROTOCOL, Kind, queue_of

CHANNEL = "imager_bell"


def notify(what: str) -> None:
    """Wake the schedulers when (and only if) this transaction commits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, what])


def queue_for(task: Task) -> str | None:
    """The dedicated queue of a task; None while no host was found for it."""
    kind = Kind(task.kind)
    if kind is Kind.CREATE:
        return queue_of(kind, task.channel.slug)
    return queue_of(kind, task.host.name) if task.host else None


def message_for(task: Task) -> tuple[str, dict[str, object]]:
    """The Celery name and the message: an id and a number, nothing secret."""
    return CELERY_NAMES[Kind(task.kind)], {"task": str(task.pk), "protocol": PROTOCOL}
