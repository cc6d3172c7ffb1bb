"""Figures that take seconds to count: the server's worker counts them, pages show what it counted last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.core.cache import cache
from django.db import connection, transaction

from imager import __version__, clock
from tasks_app import outbox

WORK: Final = "tally"
FRESH: Final = timedelta(minutes=50)  # less than the hour between two looks ahead: none is left out
AGAIN: Final = 5  # minutes after which a count that never ended is asked for again
KEPT: Final = timedelta(days=30)
LIMIT: Final = "1min"  # for each statement: mails wait meanwhile

Count = Callable[..., Any]
_counts: dict[str, Count] = {}


@dataclass(frozen=True)
class Tally:
    """What was counted, and when; `at` is None: just now. Without a value it is still being counted."""

    value: Any = None
    at: datetime | None = None


def serve(name: str, count: Count) -> None:
    """Have `count(*arguments)` done for tallies of this name; its value is kept as it is pickled."""
    _counts[name] = count


def look(name: str, *arguments: str) -> Tally:
    """What was counted last. What is older than an hour is counted anew, behind the scenes."""
    tally = Tally(*cache.get(_key(name, arguments), ()))
    now = clock.now()
    if tally.at is None or tally.at < now - FRESH:
        slot = f"{now:%Y-%m-%dT%H}" + (f":{now.minute // AGAIN}" if tally.at is None else "")
        once = f"{_key(name, arguments)}:{slot}"
        outbox.post(WORK, dedupe=once, payload={"name": name, "arguments": arguments})
    return tally


def count(payload: dict[str, Any]) -> None:
    """Count, and keep it."""
    name, arguments = payload["name"], payload["arguments"]
    at = clock.now()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{LIMIT}'")
        value = _counts[name](*arguments)
    cache.set(_key(name, arguments), (value, at), KEPT.total_seconds())


def _key(name: str, arguments: list[str] | tuple[str, ...]) -> str:
    """A release may keep other things than the one before."""
    return ":".join((WORK, __version__, name, *arguments))
