"""The log of an attempt for those who read it: the end first asked for, then only what is new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import F, IntegerField, Value
from django.db.models.functions import Cast, Greatest, Least, Right

from tasks_app.models import Attempt

SHOWN: Final = 512 * 1024  # characters on a page; the file holds everything that was kept


@dataclass(frozen=True)
class Piece:
    """New text of a log, up to the offset `end` (characters since the attempt began)."""

    attempt: Attempt
    text: str
    end: int

    @property
    def live(self) -> bool:
        """Whether more may come."""
        return self.attempt.ended_at is None


def read(task: UUID, number: int, *, since: int | None) -> Piece | None:
    """What came after the offset `since` (None: the last part of the log); None if there is no such attempt.

    The database cuts, so that following a long log costs what is new. Where a host had lost a piece, a little
    that was shown before may come again.
    """
    new = F("log_end") - Value(since) if since is not None else Value(SHOWN)
    count = Cast(Least(Greatest(new, Value(0)), Value(SHOWN)), IntegerField())
    attempts = Attempt.objects.filter(task=task, attempt=number).defer("log")
    row = attempts.annotate(text=Right("log", count)).select_related("task__order", "host").first()
    return Piece(row, row.text, row.log_end) if row else None


def whole(task: UUID, number: int) -> str | None:
    """Everything that was kept; None if there is no such attempt."""
    return Attempt.objects.filter(task=task, attempt=number).values_list("log", flat=True).first()
