"""A sign of life in one statement. Ten thousand hosts send one every few seconds, so each round trip counts.

It changes nothing that a crash of the database may not undo (the next beat says it again), so its commit does
not wait for the disk.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.utils.translation import gettext as _

from imager.api import Problem
from tasks_app.lifecycle import OPEN, TaskStatus
from tasks_app.models import Host, Slot, Task
from workers.contract import Beat, Kind

RUNG_AT_MOST = 20


class Heard(NamedTuple):
    """What the database answers to a beat."""

    automatic: bool
    drain: bool
    ring: list[UUID]  # queued tasks for this worker, the first ones
    keep: list[UUID]  # orders whose image must stay on this writer host


HOST, SLOT, TASK = (model._meta.db_table for model in (Host, Slot, Task))

_ME = f"""
me AS (
    UPDATE {HOST} SET last_seen_at = clock_timestamp(),
        boot_id = %(boot_id)s, version = %(version)s, free_bytes = %(free_bytes)s
    WHERE id = %(host)s
    RETURNING automatic, draining OR disabled AS drain
)"""  # noqa: S608  # here and below: names of our own tables, constants of our own

# Two first beats at once must not both make a slot; what the host names no more is empty.
_SLOTS = f""",
seen AS (
    INSERT INTO {SLOT} (
        host_id, name, disabled, present, card_bytes, diskseq, boot_id,
        model, contents, problem, used_boot_id, seen_at
    )
    SELECT %(host)s, name, false, present, size, diskseq, %(boot_id)s,
        left(model, 200), left(contents, 500), left(problem, 500), '', clock_timestamp()
    FROM jsonb_to_recordset(%(slots)s::jsonb) AS told
        (name text, present boolean, size bigint, diskseq bigint, model text, contents text, problem text)
    ORDER BY name
    ON CONFLICT (host_id, name) DO UPDATE SET
        present = EXCLUDED.present, card_bytes = EXCLUDED.card_bytes, diskseq = EXCLUDED.diskseq,
        boot_id = EXCLUDED.boot_id, model = EXCLUDED.model, contents = EXCLUDED.contents,
        problem = EXCLUDED.problem, seen_at = EXCLUDED.seen_at
),
gone AS (
    UPDATE {SLOT} SET present = false, diskseq = NULL, card_bytes = 0, contents = '', problem = ''
    WHERE host_id = %(host)s AND name <> ALL(%(names)s)
        AND (present OR diskseq IS NOT NULL OR card_bytes > 0 OR contents <> '' OR problem <> '')
)"""  # noqa: S608

_READY = f"""ARRAY(
    SELECT id FROM {TASK}
    WHERE status = '{TaskStatus.QUEUED}' AND kind = %(kind)s AND {{mine}} AND not_before <= clock_timestamp()
    ORDER BY priority, queued_at LIMIT {RUNG_AT_MOST}
)"""  # noqa: S608

# Work with the image is ahead, or may be retried. Never cut short.
_NEEDED = f"""ARRAY(
    SELECT DISTINCT order_id FROM {TASK}
    WHERE host_id = %(host)s AND kind IN ('{Kind.DOWNLOAD}', '{Kind.WRITE}') AND status = ANY(%(wanted)s)
)"""  # noqa: S608

_CARELESS = "set_config('synchronous_commit', 'off', true)"
_ANSWER = f"""
SELECT automatic, drain, CASE WHEN drain THEN '{{{{}}}}' ELSE {{ready}} END, {{needed}}, {_CARELESS} FROM me
"""  # noqa: S608


def _statement(kind: Kind, *, slots: bool) -> str:
    mine = "channel_id = %(channel)s" if kind is Kind.CREATE else "host_id = %(host)s"
    needed = "'{}'::uuid[]" if kind is Kind.CREATE else _NEEDED
    answer = _ANSWER.format(ready=_READY.format(mine=mine), needed=needed)
    return f"WITH {_ME}{_SLOTS if slots else ''} {answer}"


STATEMENTS = {(kind, slots): _statement(kind, slots=slots) for kind in Kind for slots in (False, True)}


def take_in(host: Host, body: Beat) -> Heard:
    """Keep what the host says of itself and its slots; answer what concerns it."""
    slots = body.get("slots")
    given: dict[str, Any] = {
        "host": host.pk,
        "channel": host.channel_id,
        "boot_id": body["boot_id"],
        "version": body["version"],
        "free_bytes": body["free_bytes"],
        "kind": body["kind"],
        "wanted": [*OPEN, TaskStatus.FAILED],
    }
    if slots is not None:
        given |= {"slots": json.dumps(slots), "names": [slot["name"] for slot in slots]}
    with connection.cursor() as cursor:
        cursor.execute(STATEMENTS[Kind(body["kind"]), slots is not None], given)
        row = cursor.fetchone()
    if row is None:
        raise Problem(403, "not_yours", _("This host was removed. Run create_host again."))
    return Heard(*row[:4])
