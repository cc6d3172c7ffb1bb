"""The log of an attempt: pieces by offset, so that a resent piece changes nothing; bounded in size."""

from __future__ import annotations

from uuid import UUID

from tasks_app.models import Attempt
from workers.contract import MAX_LOG_KEPT, Report

CUT = "\n[… cut here: the log is longer than is kept …]\n"


def append(task: UUID, report: Report) -> None:
    """Add the report's piece of log, if it brings anything new. Needs a transaction."""
    piece = report.get("log")
    if not piece or not piece["text"]:
        return
    row = Attempt.objects.select_for_update().get(task=task, attempt=report["attempt"])
    end = piece["offset"] + len(piece["text"])
    if end <= row.log_end:
        return
    gap = piece["offset"] - row.log_end
    new = f"\n[… {gap} characters lost …]\n{piece['text']}" if gap > 0 else piece["text"][-gap:]
    row.log = bounded(row.log + new.replace("\x00", "�"))
    row.log_end = end
    row.save(update_fields=["log", "log_end"])


def bounded(text: str) -> str:
    """At most MAX_LOG_KEPT characters: the beginning and, three times as long, the end."""
    if len(text) <= MAX_LOG_KEPT:
        return text
    head = MAX_LOG_KEPT // 4
    tail = MAX_LOG_KEPT - head - len(CUT)
    return text[:head].removesuffix(CUT) + CUT + text[-tail:]
