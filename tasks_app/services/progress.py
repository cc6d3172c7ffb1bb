"""Where an attempt is, in one statement: it passes the fence and renews the lease, or changes nothing.

A crash of the database may undo it: the host says it again soon. So its commit does not wait for the disk,
unless a piece of the log comes with it, which is said once.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings

from tasks_app import prepared
from tasks_app.lifecycle import TaskStatus
from tasks_app.services.signs import ACCOUNT, CALLS, CARELESS, HOST, TASK, Caller
from workers.contract import Answer, Report

_STEP = f"""
UPDATE {TASK} task SET step = %(step)s::text,
    lease_expires_at = clock_timestamp() + %(lease)s * interval '1 s',
    reclaim_at = clock_timestamp() + %(reclaim)s * interval '1 s',
    progress_at = CASE WHEN {{moved}} THEN clock_timestamp() ELSE progress_at END
    {{numbers}}
FROM {HOST} host JOIN {ACCOUNT} account ON host.account_id = account.id
WHERE task.id = %(task)s AND task.status = '{TaskStatus.RUNNING}' AND task.attempt = %(attempt)s
    AND task.host_id = host.id AND {CALLS}
RETURNING task.cancel_requested_at IS NOT NULL
"""  # noqa: S608  # names of our own tables
_NUMBERS = """, progress_done = %(done)s, progress_total = %(total)s::bigint,
    progress_rate = %(rate)s::float8, progress_eta = %(eta)s::float8"""
_WITHOUT = _STEP.format(moved="step <> %(step)s::text", numbers="")
_WITH = _STEP.format(moved="(step, progress_done) <> (%(step)s::text, %(done)s)", numbers=_NUMBERS)
_SAFELY = {False: _WITHOUT, True: _WITH}
_QUICKLY = {numbers: f"{statement}, {CARELESS}" for numbers, statement in _SAFELY.items()}


def take_in(task: UUID | str, caller: Caller, body: Report) -> Answer:
    """`go`, `cancel`, or `stale`: not the current attempt, or not that host's; nothing changed."""
    given: dict[str, Any] = {
        "task": task,
        "account": caller.account,
        "epoch": caller.epoch,
        "attempt": body["attempt"],
        "step": body["step"],
        "lease": float(settings.TASK_LEASE),
        "reclaim": float(settings.TASK_RECLAIM),
    }
    progress = body.get("progress", {})
    statement = (_SAFELY if "log" in body else _QUICKLY)[bool(progress)]
    row = prepared.row(statement, {**given, **progress})
    if row is None:
        return Answer.STALE
    return Answer.CANCEL if row[0] else Answer.GO
