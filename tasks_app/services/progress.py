"""Where an attempt is, in one statement: it passes the fence and renews the lease, or changes nothing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings

from tasks_app import prepared
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Host, Task
from workers.contract import Answer, Report

_STEP = f"""
UPDATE {Task._meta.db_table} SET step = %(step)s::text,
    lease_expires_at = clock_timestamp() + %(lease)s * interval '1 s',
    reclaim_at = clock_timestamp() + %(reclaim)s * interval '1 s',
    progress_at = CASE WHEN {{moved}} THEN clock_timestamp() ELSE progress_at END
    {{numbers}}
WHERE id = %(task)s AND status = '{TaskStatus.RUNNING}' AND attempt = %(attempt)s AND host_id = %(host)s
RETURNING cancel_requested_at IS NOT NULL
"""  # noqa: S608  # names of our own tables
_NUMBERS = """, progress_done = %(done)s, progress_total = %(total)s::bigint,
    progress_rate = %(rate)s::float8, progress_eta = %(eta)s::float8"""
WITHOUT = _STEP.format(moved="step <> %(step)s::text", numbers="")
WITH = _STEP.format(moved="(step, progress_done) <> (%(step)s::text, %(done)s)", numbers=_NUMBERS)


def take_in(task: UUID, host: Host, body: Report) -> Answer:
    """`go`, `cancel`, or `stale`: then this attempt of `host` is not the current one, and nothing changed."""
    given: dict[str, Any] = {
        "task": task,
        "host": host.pk,
        "attempt": body["attempt"],
        "step": body["step"],
        "lease": float(settings.TASK_LEASE),
        "reclaim": float(settings.TASK_RECLAIM),
    }
    progress = body.get("progress")
    row = prepared.row(WITH, {**given, **progress}) if progress else prepared.row(WITHOUT, given)
    if row is None:
        return Answer.STALE
    return Answer.CANCEL if row[0] else Answer.GO
