"""A sign of life in one statement. Ten thousand hosts send one every few seconds, so each round trip counts.

Who calls, what waits, what is in the slots and which attempts go on: one prepared plan, which writes no row
that is as it was. It changes nothing that a crash of the database may not undo (the next beat says it again),
so its commit does not wait for the disk.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings

from imager.accounts.models import Role, User
from tasks_app import prepared
from tasks_app.lifecycle import OPEN, TaskStatus
from tasks_app.models import Host, Slot, Task
from tasks_app.services.built import AT, HEAD_START
from workers.contract import Beat, Kind

RUNG_AT_MOST = 20
RENEWED_AT = 0.9  # of a lease: a host that beats often does not renew it with every beat
SEEN_EVERY = 60  # seconds between two writes of a slot that stays as it is


class Caller(NamedTuple):
    """The account of a verified token. It counts while the account does, and in its epoch."""

    account: int
    epoch: int


class Heard(NamedTuple):
    """What the database answers to a beat."""

    host: int
    automatic: bool
    drain: bool
    ring: list[UUID]  # queued tasks for this worker, the first ones
    keep: list[UUID]  # orders whose image must stay on this writer host
    current: list[UUID]  # tasks of which the host's attempt is the current one …
    canceled: list[UUID]  # … and those of them that shall end


ACCOUNT, HOST, SLOT, TASK = (model._meta.db_table for model in (User, Host, Slot, Task))

# The account of a verified token: it counts while it is active, in its epoch, and a host's.
CALLS = f"""account.id = %(account)s AND account.is_active AND account.token_epoch = %(epoch)s
        AND (account.expires_at IS NULL OR account.expires_at > clock_timestamp())
        AND account.role IN ('{Role.CREATOR}', '{Role.WRITER}')"""
CARELESS = "set_config('synchronous_commit', 'off', true)"

_ME = f"""
me AS (
    UPDATE {HOST} host SET last_seen_at = clock_timestamp(),
        boot_id = %(boot_id)s, version = %(version)s, free_bytes = %(free_bytes)s
    FROM {ACCOUNT} account
    WHERE host.account_id = account.id AND {CALLS} AND host.kind = '{{kind}}'
    RETURNING host.id, host.channel_id, host.automatic, host.draining OR host.disabled AS drain
)"""  # noqa: S608  # here and below: names of our own tables, constants of our own

# Two first beats at once must not both make a slot; what the host names no more is empty.
_SLOTS = f""",
told_slots AS (
    SELECT me.id AS host_id, name, present, size, diskseq,
        left(model, 200) AS model, left(contents, 500) AS contents, left(problem, 500) AS problem, bus
    FROM me, jsonb_to_recordset(%(slots)s::jsonb) AS told
        (name text, present boolean, size bigint, diskseq bigint, model text, contents text, problem text,
        bus jsonb)
),
seen AS (
    INSERT INTO {SLOT} (
        host_id, name, disabled, present, card_bytes, diskseq, boot_id,
        model, contents, problem, bus, used_boot_id, seen_at
    )
    SELECT host_id, name, false, present, size, diskseq, %(boot_id)s, model, contents, problem, bus, '',
        clock_timestamp()
    FROM told_slots told WHERE NOT EXISTS (
        SELECT FROM {SLOT} slot WHERE slot.host_id = told.host_id AND slot.name = told.name
            AND slot.seen_at > clock_timestamp() - interval '{SEEN_EVERY} s'
            AND (slot.present, slot.card_bytes, slot.diskseq, slot.boot_id,
                slot.model, slot.contents, slot.problem, slot.bus)
            IS NOT DISTINCT FROM (told.present, told.size, told.diskseq, %(boot_id)s,
                told.model, told.contents, told.problem, told.bus)
    )
    ORDER BY name
    ON CONFLICT (host_id, name) DO UPDATE SET
        present = EXCLUDED.present, card_bytes = EXCLUDED.card_bytes, diskseq = EXCLUDED.diskseq,
        boot_id = EXCLUDED.boot_id, model = EXCLUDED.model, contents = EXCLUDED.contents,
        problem = EXCLUDED.problem, bus = EXCLUDED.bus, seen_at = EXCLUDED.seen_at
),
gone AS (
    UPDATE {SLOT} slot SET present = false, diskseq = NULL, card_bytes = 0, contents = '', problem = '',
        bus = NULL
    FROM me
    WHERE slot.host_id = me.id AND slot.name <> ALL(%(names)s::text[])
        AND (present OR diskseq IS NOT NULL OR card_bytes > 0 OR contents <> '' OR problem <> ''
            OR bus IS NOT NULL)
)"""  # noqa: S608

# A task that somebody holds locked is renewed by the next beat: waiting here for it could be a deadlock.
_ATTEMPTS = f""",
mine AS (
    SELECT task.id, task.cancel_requested_at IS NOT NULL AS canceled
    FROM me, jsonb_to_recordset(%(attempts)s::jsonb) AS told (task uuid, attempt integer), {TASK} task
    WHERE task.id = told.task AND task.attempt = told.attempt AND task.host_id = me.id
        AND task.status = '{TaskStatus.RUNNING}'
),
due AS (
    SELECT task.id
    FROM me, jsonb_to_recordset(%(attempts)s::jsonb) AS told (task uuid, attempt integer), {TASK} task
    WHERE task.id = told.task AND task.attempt = told.attempt AND task.host_id = me.id
        AND task.status = '{TaskStatus.RUNNING}'
        AND task.lease_expires_at < clock_timestamp() + %(lease)s * {RENEWED_AT} * interval '1 s'
    FOR NO KEY UPDATE OF task SKIP LOCKED
),
renewed AS (
    UPDATE {TASK} task SET lease_expires_at = clock_timestamp() + %(lease)s * interval '1 s',
        reclaim_at = clock_timestamp() + %(reclaim)s * interval '1 s'
    FROM due WHERE task.id = due.id
)"""  # noqa: S608

# The own finished image first; last what another host has built and has its time to take (see `built`).
_BUILT = f"""CASE
        WHEN not_before <= clock_timestamp() - interval '{HEAD_START.seconds} s' THEN 1
        WHEN spec->>'{AT}' IS NULL THEN 1
        WHEN spec->>'{AT}' = me.id::text THEN 0
        ELSE 2
    END, """

_READY = f"""ARRAY(
    SELECT id FROM {TASK} task
    WHERE status = '{TaskStatus.QUEUED}' AND kind = '{{kind}}' AND {{mine}}
        AND not_before <= clock_timestamp()
    ORDER BY {{first}}priority, queued_at LIMIT {RUNG_AT_MOST}
)"""  # noqa: S608

_WANTED = ", ".join(f"'{status}'" for status in sorted([*OPEN, TaskStatus.FAILED]))

# Work with the image is ahead, or may be retried. Never cut short.
_NEEDED = f"""ARRAY(
    SELECT DISTINCT order_id FROM {TASK} task
    WHERE task.host_id = me.id AND kind IN ('{Kind.DOWNLOAD}', '{Kind.WRITE}') AND status IN ({_WANTED})
)"""  # noqa: S608

_NONE = "'{}'::uuid[]"


@cache
def statement(kind: Kind, *, slots: bool, attempts: bool) -> str:
    """The statement for a beat of `kind` with or without these parts."""
    me = _ME.format(kind=Host.Kind.CREATOR if kind is Kind.CREATE else Host.Kind.WRITER)
    mine = "task.channel_id = me.channel_id" if kind is Kind.CREATE else "task.host_id = me.id"
    ready = _READY.format(kind=kind, mine=mine, first=_BUILT if kind is Kind.CREATE else "")
    needed = _NONE if kind is Kind.CREATE else _NEEDED
    current = "ARRAY(SELECT id FROM mine), ARRAY(SELECT id FROM mine WHERE canceled)"
    select = f"SELECT id, automatic, drain, CASE WHEN drain THEN {_NONE} ELSE {ready} END, {needed}"
    told = current if attempts else f"{_NONE}, {_NONE}"
    parts = f"{me}{_SLOTS if slots else ''}{_ATTEMPTS if attempts else ''}"
    return f"WITH {parts} {select}, {told}, {CARELESS} FROM me"


def take_in(caller: Caller, body: Beat) -> Heard | None:
    """Keep what the host says of itself, its slots and its attempts; answer what concerns it.

    None, and nothing was kept, when the caller is no host that does this kind of work, or counts no more.
    """
    kind, slots, attempts = Kind(body["kind"]), body.get("slots"), body.get("attempts")
    given: dict[str, Any] = {
        "account": caller.account,
        "epoch": caller.epoch,
        "boot_id": body["boot_id"],
        "version": body["version"],
        "free_bytes": body["free_bytes"],
    }
    if slots is not None:
        given |= {"slots": json.dumps(slots), "names": [slot["name"] for slot in slots]}
    if attempts:
        terms = {"lease": float(settings.TASK_LEASE), "reclaim": float(settings.TASK_RECLAIM)}
        given |= {"attempts": json.dumps(attempts), **terms}
    row = prepared.row(statement(kind, slots=slots is not None, attempts=bool(attempts)), given)
    return Heard(*row[:7]) if row else None
