"""What the warehouse asks: may this attempt publish, and which attempts are over?"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from imager import clock
from imager.api import Problem
from tasks_app.models import Attempt, Host, Task
from tasks_app.services.attempts import current, find, find_locked
from warehouse import services as warehouse
from warehouse.models import Warehouse
from workers.contract import FileFacts, Kind, Right, Ticket

OVERLAP = timedelta(seconds=60)  # transactions commit out of order: say recent ends twice rather than never
HORIZON = timedelta(hours=48)
ROOM_FOR_INDEXES = 64 * 1024 * 1024


def ticket(task_id: UUID, host: Host, *, attempt: int) -> Ticket:
    """A login to the warehouse for the current attempt: to store its own files, or to read its order's."""
    task = find(task_id)
    if not current(task, host, attempt) or task.cancel_requested_at:
        raise Problem(409, "stale", _("That attempt is over. Stop and clean up."))
    if task.kind == Kind.WRITE:
        raise Problem(403, "not_yours", _("A card is written from the image that was downloaded before."))
    right = Right.STORE if task.kind == Kind.CREATE else Right.READ
    room = 2 * task.total_bytes + ROOM_FOR_INDEXES
    into = str(task.spec.get("warehouse", ""))
    return warehouse.ticket(
        task=task.pk, attempt=attempt, order=task.order_id, right=right, max_bytes=room, into=into
    )


def publish(
    *, task_id: UUID, attempt: int, files: list[FileFacts], at: Warehouse | None = None
) -> dict[str, Any]:
    """Allow the warehouse `at` to publish the files of an attempt, if it is still the current one."""
    with transaction.atomic():
        task = find_locked(task_id)
        if not _current(task, attempt) or task.cancel_requested_at:
            raise Problem(409, "stale", _("That attempt is over: its files are not published."))
        warehouse.grant(task=task.pk, attempt=attempt, owner=task.order_id, files=files, at=at)
        return {"order": str(task.order_id)}


def published(*, task_id: UUID, attempt: int) -> None:
    """The warehouse has renamed the folder: the files are there, unless the attempt ended meanwhile."""
    with transaction.atomic():
        task = find_locked(task_id)
        if not (_current(task, attempt) or _known_as_published(task, attempt)):
            raise Problem(409, "stale", _("That attempt is over: its files are not published."))
        warehouse.confirm(task=task_id, attempt=attempt)


def _current(task: Task, attempt: int) -> bool:
    return task.kind == Kind.CREATE and task.host is not None and current(task, task.host, attempt)


def _known_as_published(task: Task, attempt: int) -> bool:
    files = warehouse.published_files(owner=task.order_id)
    return any((file.task, file.attempt) == (task.pk, attempt) for file in files)


def ended(since: str) -> dict[str, Any]:
    """Attempts that ended, and orders whose images were removed, since the cursor of the last answer."""
    at = clock.now()
    begin = _begin(since, at)
    recent = max(begin, at - HORIZON)  # the warehouse itself tidies up what is older
    over = Attempt.objects.filter(ended_at__gt=recent).order_by("ended_at").values_list("task_id", "attempt")
    return {
        "cursor": at.isoformat(),
        "now": at.timestamp(),
        "ended": [{"task": str(task), "attempt": attempt} for task, attempt in over],
        "removed": [str(owner) for owner in warehouse.removed_since(begin)],
    }


def _begin(since: str, at: datetime) -> datetime:
    """A little before the cursor; before everything for a warehouse that knows none."""
    if not since:
        return datetime.min.replace(tzinfo=UTC)
    with suppress(ValueError, OverflowError):
        cursor = parse_datetime(since.replace(" ", "+"))
        if cursor and cursor.tzinfo:
            return min(cursor, at) - OVERLAP
    raise Problem(400, "bad_cursor", _("“since” must be the cursor of an earlier answer, or absent."))
