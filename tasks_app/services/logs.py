"""The log of an attempt: pieces by offset, so that a resent piece changes nothing; bounded in size and time.

A report costs what it brings: a piece is added, and what was kept before is neither read nor written.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from imager import clock
from tasks_app import prepared
from tasks_app.lifecycle import ENDED
from tasks_app.models import Attempt, LogPiece
from workers.contract import MAX_LOG_CHUNK, MAX_LOG_KEPT, Report

HEAD: Final = MAX_LOG_KEPT // 4  # characters of the beginning that stay
TAIL: Final = MAX_LOG_KEPT - HEAD - MAX_LOG_CHUNK  # and of the end; the cut falls between two pieces
KEPT: Final = timedelta(days=90)
AT_ONCE: Final = 200  # logs that are forgotten in one statement

_ATTEMPT: Final = Attempt._meta.db_table
_PIECE: Final = LogPiece._meta.db_table

# Only what lies behind the end so far is new; the end moves in the same statement, by one report at a time.
_APPEND: Final = f"""
WITH before AS (
    SELECT id, log_end FROM {_ATTEMPT} WHERE task_id = %(task)s AND attempt = %(attempt)s FOR UPDATE
), moved AS (
    UPDATE {_ATTEMPT} AS now SET log_end = %(end)s FROM before
    WHERE now.id = before.id AND before.log_end < %(end)s
    RETURNING now.id, greatest(before.log_end, %(start)s::bigint) AS start
)
INSERT INTO {_PIECE} (attempt_id, start, "end", text)
SELECT id, start, %(end)s, right(%(text)s::text, (%(end)s - start)::int) FROM moved
RETURNING attempt_id
"""  # noqa: S608  # names of our own tables

_CUT: Final = f"""
WITH gone AS (
    DELETE FROM {_PIECE} WHERE attempt_id = %(attempt)s AND "end" > %(head)s AND "end" <= %(tail)s
    RETURNING "end", length(text) - length(replace(text, E'\\n', '')) AS lines
)
UPDATE {_ATTEMPT} SET log_left_out = log_left_out + (SELECT sum(lines) FROM gone),
    log_cut_to = greatest(log_cut_to, (SELECT max("end") FROM gone))
WHERE id = %(attempt)s AND EXISTS (SELECT FROM gone)
RETURNING log_left_out
"""  # noqa: S608  # names of our own tables


def append(task: UUID, report: Report) -> None:
    """Add the report's piece of log, if it brings anything new. Needs a transaction that locks the task."""
    piece = report.get("log")
    if not piece or not piece["text"]:
        return
    end = piece["offset"] + len(piece["text"])
    text = piece["text"].replace("\x00", "�")
    given = {"task": task, "attempt": report["attempt"], "start": piece["offset"], "end": end, "text": text}
    added = prepared.row(_APPEND, given)
    if added and end > MAX_LOG_KEPT:
        prepared.row(_CUT, {"attempt": added[0], "head": HEAD, "tail": end - TAIL})


def prune() -> int:
    """Forget the logs of attempts that ended long ago at tasks that are over. Returns how many pieces."""
    old = LogPiece.objects.filter(
        attempt__ended_at__lt=clock.now() - KEPT, attempt__task__status__in=sorted(ENDED)
    )
    count = 0
    while some := list(old.order_by().values_list("attempt", flat=True).distinct()[:AT_ONCE]):
        count += LogPiece.objects.filter(attempt__in=some).delete()[0]
    return count
