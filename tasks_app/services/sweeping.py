"""What the scheduler does each minute, with Redis or without, in any number of replicas."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from imager import clock
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Task
from tasks_app.presence import SUSPECT_AFTER, heard
from tasks_app.services import ending
from tasks_app.services.leases import stall_limit
from tasks_app.services.moving import find_hosts, lock_if_free
from tasks_app.stumbles import Footing
from workers.contract import Fault, Kind, Trouble

BY = "scheduler"


def sweep(*, hearing: bool = True) -> dict[str, int]:
    """One round: lost attempts into the queue, homeless downloads to a host. Returns counts, for the log.

    `hearing`: whether hosts could make themselves heard (see `Hearing`).
    """
    return {"reclaimed": reclaim(hearing=hearing), "placed": find_hosts()}


def reclaim(*, hearing: bool = True) -> int:
    """End attempts whose host is gone (builds only), whose time is up, or that stand still.

    While the server itself hears nobody, only those that nobody wants any more.
    """
    at = clock.now()
    doomed = Q(cancel_requested_at__isnull=False, reclaim_at__lt=at)
    if hearing:
        doomed |= _doomed(at)
    found = Task.objects.filter(doomed, status=TaskStatus.RUNNING).values_list("pk", flat=True)
    footing = Footing("reclaim")
    ended = sum(bool(footing.step(pk, partial(_reclaim, pk, hearing=hearing))) for pk in found)
    _forgive(at)
    return ended


def _doomed(at: datetime) -> Q:
    """The same as `why`, for a query."""
    build, held = Q(kind=Kind.CREATE), Q(lease_expires_at__gt=at)
    still = (build & Q(progress_at__lt=at - stall_limit(Task(kind=Kind.CREATE)))) | (
        ~build & Q(progress_at__lt=at - stall_limit(Task(kind=Kind.WRITE)))
    )
    silent = build & Q(reclaim_at__lt=at)
    late = Q(deadline_at__lt=at) & (build | held | (still & ~_silent(at)))
    return silent | late | (held & still)


def _silent(at: datetime) -> Q:
    return Q(host__last_seen_at=None) | Q(host__last_seen_at__lt=at - SUSPECT_AFTER)


@transaction.atomic
def _forgive(at: datetime) -> None:
    """Nobody knows what moves at a silent host: its attempts stand still only from when it is heard again."""
    silent = Task.objects.filter(_silent(at), status=TaskStatus.RUNNING, lease_expires_at__lt=at)
    free = silent.select_for_update(skip_locked=True, no_key=True, of=("self",))
    Task.objects.filter(pk__in=[*free.values_list("pk", flat=True)]).update(progress_at=at)


@transaction.atomic
def _reclaim(pk: UUID, *, hearing: bool = True) -> bool:
    task = lock_if_free(pk)
    if task is None:
        return False  # somebody is at it: a report perhaps, that changes everything
    at = clock.now()
    if task.status != TaskStatus.RUNNING or task.reclaim_at is None or task.deadline_at is None:
        return False
    trouble = why(task) if hearing else None
    outcome = "timeout" if trouble and trouble["code"] != "lost" else "lost"
    if task.cancel_requested_at and (trouble or task.reclaim_at < at):
        ending.give_back(task, outcome=outcome, by=BY)  # canceled: nobody wants another attempt
        return True
    if trouble is None:
        return False
    ending.fail(task, trouble, by=BY, outcome=outcome)
    return True


def why(task: Task) -> Trouble | None:
    """What is wrong with a running attempt, if anything; asked again under the lock.

    Downloads and cards stay with their host: while it is silent, nothing is gained by ending them, and the
    ending that it may owe would be lost.
    """
    at = clock.now()
    build, held = task.kind == Kind.CREATE, (task.lease_expires_at or at) > at
    still = task.progress_at is not None and task.progress_at < at - stall_limit(task)
    there = build or held or (still and task.host is not None and heard(task.host, at))
    if there and task.deadline_at and task.deadline_at < at:
        return trouble("timeout", _("The attempt took longer than its hard limit; see its log, then retry."))
    if build and task.reclaim_at and task.reclaim_at < at:
        return trouble("lost", _("The host was not heard of for too long. Look whether it runs, then retry."))
    if held and still:
        return trouble(
            "stalled", _("Nothing has moved for too long; see the log of the attempt, then retry.")
        )
    return None


def trouble(code: str, message: str) -> Trouble:
    """A failure that the server itself established."""
    return {"fault": Fault.HOST.value, "code": code, "message": message}
