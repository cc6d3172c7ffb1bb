"""The log of an attempt for those who read it: the end first asked for, then only what is new."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.utils.translation import gettext, ngettext

from tasks_app.models import Attempt, LogPiece

SHOWN: Final = 512 * 1024  # characters on a page; the file holds everything that was kept
_PLAIN: Final = "\x1b[0m"  # what is missing may have ended a colour


_COLUMNS: Final = ("start", "end", "text", "attempt__log_cut_to", "attempt__log_left_out")


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

    Following a long log costs what is new.
    """
    attempt = _find(task, number)
    if attempt is None:
        return None
    last_part = max(0, attempt.log_end - SHOWN)
    return _from(attempt, last_part if since is None else max(since, last_part))


def whole(task: UUID, number: int) -> str | None:
    """Everything that was kept; None if there is no such attempt."""
    attempt = _find(task, number)
    return None if attempt is None else _from(attempt, 0).text


def _find(task: UUID, number: int) -> Attempt | None:
    return Attempt.objects.filter(task=task, attempt=number).select_related("task__order", "host").first()


def _from(attempt: Attempt, since: int) -> Piece:
    """What is missing is read with the pieces: more may have come since the attempt was read."""
    new = LogPiece.objects.filter(attempt=attempt, end__gt=since).order_by("end")
    pieces = list(new.select_related("attempt").only(*_COLUMNS))
    if not pieces and attempt.log_end > since:
        return Piece(attempt, _forgotten(), attempt.log_end)
    end = pieces[-1].end if pieces else attempt.log_end
    return Piece(attempt, "".join(_joined(pieces, since)), end)


def _joined(pieces: Iterable[LogPiece], since: int) -> Iterator[str]:
    end = since
    for piece in pieces:
        if piece.start > end:
            yield _hole(piece.attempt, end, piece.start)
        yield piece.text if piece.start >= end else piece.text[end - piece.end :]
        end = piece.end


def _hole(attempt: Attempt, start: int, end: int) -> str:
    """What stands for characters that are not kept: they never came, or the log became too long."""
    if start < attempt.log_cut_to:
        lines = attempt.log_left_out
        words = ngettext("%(count)d line left out", "%(count)d lines left out", lines) % {"count": lines}
    else:
        lost = end - start
        words = ngettext("%(count)d character lost", "%(count)d characters lost", lost) % {"count": lost}
    return f"{_PLAIN}\n[… {words} …]\n"


def _forgotten() -> str:
    return f"[… {gettext('the log is old and was removed')} …]\n"
