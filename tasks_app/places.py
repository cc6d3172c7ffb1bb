"""Places in the queues, computed by the database in the query that asks for the tasks."""

from __future__ import annotations

from typing import Final

from django.db.models import Case, Count, F, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce

from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Task
from workers.contract import Kind

LARGE: Final = ("order__recipe", "order__contents")  # of an order, and no business of a list of tasks


def with_places(tasks: QuerySet[Task]) -> QuerySet[Task]:
    """Each task with `place` (in its queue, 1 = next; None if it has none) and `running_peers`."""
    peers = Task.objects.filter(
        Q(channel=OuterRef("channel"), kind=Kind.CREATE) | (~Q(kind=Kind.CREATE) & Q(host=OuterRef("host"))),
        kind=OuterRef("kind"),
    )
    sooner = Q(priority__lt=OuterRef("priority")) | Q(
        priority=OuterRef("priority"), queued_at__lt=OuterRef("queued_at")
    )
    has_queue = Q(kind=Kind.CREATE) | Q(host__isnull=False)
    return tasks.annotate(
        place=Case(
            When(
                has_queue,
                status=TaskStatus.QUEUED,
                then=count_of(peers.filter(sooner, status=TaskStatus.QUEUED)) + 1,
            )
        ),
        running_peers=count_of(peers.filter(status=TaskStatus.RUNNING).exclude(pk=OuterRef("pk"))),
    )


def count_of(tasks: QuerySet[Task]) -> Coalesce:
    """How many, counted for each row by itself: a join would read what all hosts have ever done."""
    counted = tasks.order_by().annotate(one=F("kind")).values("one").annotate(count=Count("pk"))
    return Coalesce(Subquery(counted.values("count")), 0)
