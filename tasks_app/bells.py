"""Ringing: the scheduler's half of dispatch. A lost bell loses nothing: the unclaimed is rung again."""

from __future__ import annotations

from datetime import datetime, timedelta

from celery import Celery
from django.db import transaction
from django.db.models import Q

from tasks_app import clock, dispatch, outbox
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Outbox, Task

AGAIN = timedelta(seconds=60)
AT_ONCE = 200


def ring(app: Celery) -> int:
    """Ring for what is ready and was not rung lately. Returns how many bells.

    Raises the broker's error; whatever kind was rung before stands.
    """
    return ring_tasks(app) + ring_outbox(app)


@transaction.atomic
def ring_tasks(app: Celery) -> int:
    """Bells for queued tasks, on the queue of their host or channel."""
    at = clock.now()
    due = Task.objects.select_for_update(skip_locked=True, of=("self",)).select_related("host", "channel")
    due = due.filter(_unrung(at), status=TaskStatus.QUEUED, not_before__lte=at).order_by(
        "priority", "queued_at"
    )
    rung = []
    for task in due[:AT_ONCE]:
        queue = dispatch.queue_for(task)
        if queue is None:
            continue
        name, message = dispatch.message_for(task)
        app.send_task(name, kwargs=message, queue=queue, retry=False)
        rung.append(task.pk)
    Task.objects.filter(pk__in=rung).update(rung_at=at)
    return len(rung)


@transaction.atomic
def ring_outbox(app: Celery) -> int:
    """Bells for undelivered outbox entries, on the server's own queue."""
    at = clock.now()
    due = Outbox.objects.select_for_update(skip_locked=True).filter(
        _unrung(at), sent_at=None, not_before__lte=at
    )
    rung = []
    for entry in due[:AT_ONCE]:
        app.send_task(outbox.DELIVER, kwargs={"entry": entry.pk}, queue=outbox.SERVER_QUEUE, retry=False)
        rung.append(entry.pk)
    Outbox.objects.filter(pk__in=rung).update(rung_at=at)
    return len(rung)


def _unrung(at: datetime) -> Q:
    return Q(rung_at=None) | Q(rung_at__lt=at - AGAIN)
