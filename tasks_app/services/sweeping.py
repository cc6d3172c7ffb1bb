"""What the scheduler does each minute, with Redis or without, in any number of replicas."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from imager import clock
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Task
from tasks_app.services import ending
from tasks_app.services.leases import stall_limit
from tasks_app.services.moving import find_hosts, lock_if_free
from tasks_app.stumbles import Footing
from workers.contract import Fault, Kind, Trouble

BY = "scheduler"


def sweep() -> dict[str, int]:
    """One round: lost attempts into the queue, homeless downloads to a host. Returns counts, for the log."""
    return {"reclaimed": reclaim(), "placed": find_hosts()}


def reclaim() -> int:
    """End attempts whose host is gone (builds only), whose time is up, or that stand still."""
    at = clock.now()
    silent = Q(kind=Kind.CREATE, reclaim_at__lt=at)
    late = Q(deadline_at__lt=at)
    stalled = Q(kind=Kind.CREATE, progress_at__lt=at - stall_limit(Task(kind=Kind.CREATE))) | Q(
        kind__in=[Kind.DOWNLOAD, Kind.WRITE],
        lease_expires_at__gt=at,
        progress_at__lt=at - stall_limit(Task(kind=Kind.WRITE)),
    )
    canceled = Q(cancel_requested_at__isnull=False, reclaim_at__lt=at)
    doomed = Task.objects.filter(silent | late | stalled | canceled, status=TaskStatus.RUNNING)
    footing = Footing("reclaim")
    return sum(bool(footing.step(pk, partial(_reclaim, pk))) for pk in doomed.values_list("pk", flat=True))


@transaction.atomic
def _reclaim(pk: UUID) -> bool:
    task = lock_if_free(pk)
    if task is None:
        return False  # somebody is at it: a report perhaps, that changes everything
    at = clock.now()
    if task.status != TaskStatus.RUNNING or task.reclaim_at is None or task.deadline_at is None:
        return False
    trouble = why(task)
    outcome = "timeout" if trouble and trouble["code"] != "lost" else "lost"
    if task.cancel_requested_at and (trouble or task.reclaim_at < at):
        ending.give_back(task, outcome=outcome, by=BY)  # canceled: nobody wants another attempt
        return True
    if trouble is None:
        return False
    ending.fail(task, trouble, by=BY, outcome=outcome)
    return True


def why(task: Task) -> Trouble | None:
    """What is wrong with a running attempt, if anything; asked again under the lock."""
    at = clock.now()
    if task.deadline_at and task.deadline_at < at:
        return trouble("timeout", _("The attempt took longer than its hard limit; see its log, then retry."))
    if task.kind == Kind.CREATE and task.reclaim_at and task.reclaim_at < at:
        return trouble("lost", _("The host was not heard of for too long. Look whether it runs, then retry."))
    if task.progress_at and task.progress_at < at - stall_limit(task) and (task.lease_expires_at or at) > at:
        return trouble(
            "stalled", _("Nothing has moved for too long; see the log of the attempt, then retry.")
        )
    return None


def trouble(code: str, message: str) -> Trouble:
    """A failure that the server itself established."""
    return {"fault": Fault.HOST.value, "code": code, "message": message}
