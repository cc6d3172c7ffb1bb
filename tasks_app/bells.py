"""Ringing: the scheduler's half of dispatch. A lost bell loses nothing: the unclaimed is rung again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, TypeVar

from celery import Celery
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from imager import clock
from tasks_app import dispatch, outbox
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Host, Outbox, Task
from tasks_app.stumbles import Footing
from workers.contract import Kind

M = TypeVar("M", Task, Outbox)

AGAIN = timedelta(seconds=60)
PRESENT = timedelta(minutes=10)  # since the last beat
AT_ONCE = 200
AWAY = (BrokerError, RedisError, OSError)  # the broker is not there, or not ours


def ring(app: Celery) -> int:
    """Ring for what is ready and was not rung lately. Returns how many bells.

    Raises the broker's error; whatever kind was rung before stands.
    """
    return ring_tasks(app) + ring_outbox(app)


def ring_tasks(app: Celery) -> int:
    """Bells for queued tasks, on the queue of their host or channel."""
    at = clock.now()
    due = Task.objects.select_for_update(skip_locked=True, of=("self",)).select_related("host", "channel")
    due = due.filter(
        Q(rung_at=None) | Q(_heard(at), rung_at__lt=at - AGAIN),
        Q(kind=Kind.CREATE) | Q(host__isnull=False),
        not_before__lte=at,
    )
    due = due.filter(status=TaskStatus.QUEUED).order_by("priority", "queued_at")
    footing = Footing("ring")
    taken = _take(due, at)
    bells = [(task, bell) for task in taken if (bell := footing.step(task.pk, partial(_bell, task)))]
    return _ring(app, bells, at)


def _bell(task: Task) -> Bell | None:
    queue = dispatch.queue_for(task)
    return Bell(*dispatch.message_for(task), queue) if queue else None


def ring_outbox(app: Celery) -> int:
    """Bells for undelivered outbox entries, on the server's own queue."""
    at = clock.now()
    due = Outbox.objects.select_for_update(skip_locked=True).filter(
        Q(rung_at=None) | Q(rung_at__lt=at - AGAIN), sent_at=None, given_up_at=None, not_before__lte=at
    )
    bells = [
        (entry, Bell(outbox.DELIVER, {"entry": entry.pk}, outbox.SERVER_QUEUE)) for entry in _take(due, at)
    ]
    return _ring(app, bells, at)


class Bell(NamedTuple):
    """A Celery message: its name, its arguments, its queue."""

    name: str
    message: dict[str, Any]
    queue: str

    def ring(self, app: Celery) -> None:
        """Send it, or raise what the broker says."""
        app.send_task(self.name, kwargs=self.message, queue=self.queue, retry=False)


@transaction.atomic
def _take(due: QuerySet[M], at: datetime) -> list[M]:
    """Mark what is due as rung, and let go of its locks: nobody shall wait for a broker that hangs."""
    taken = list(due[:AT_ONCE])
    due.model._default_manager.filter(pk__in=[row.pk for row in taken]).update(rung_at=at)
    return taken


def _ring(app: Celery, bells: Sequence[tuple[models.Model, Bell]], at: datetime) -> int:
    """Ring; what the broker does not take counts as not rung."""
    left, footing = list(bells), Footing("send")
    try:
        while left:
            row, bell = left[0]
            footing.step(row.pk, partial(bell.ring, app), fatal=AWAY)
            left.pop(0)
    finally:
        if left:
            unrung = type(left[0][0])._default_manager.filter(pk__in=[row.pk for row, _ in left], rung_at=at)
            unrung.update(rung_at=None)
    return len(bells)


def _heard(at: datetime) -> Q:
    """Whether anybody is there to hear a repetition: the bells of an absent host must not pile up."""
    lately = at - PRESENT
    creators = Host.objects.filter(
        kind=Host.Kind.CREATOR, channel=OuterRef("channel"), last_seen_at__gt=lately
    )
    return Q(host__last_seen_at__gt=lately) | Q(Exists(creators), kind=Kind.CREATE)
