"""Work of every hour and every day, done once in each, however many schedulers there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final, Literal

from django.db import connection

from tasks_app.models import Chore

Period = Literal["hour", "day"]
LOCKS: Final = 1_229_800_775  # the first half of our advisory locks' keys: any number, but always the same


def run(name: str, period: Period, work: Callable[[], object]) -> bool:
    """Do `work` unless it was done in this hour or day (UTC, by the database's clock). Whether it was now.

    While one scheduler is at it, others leave it alone. What fails is due again: it is done at least once.
    """
    with _alone(name) as alone:
        if not alone:
            return False
        slot = _slot(period)
        chore, _ = Chore.objects.get_or_create(name=name)
        if chore.slot is not None and chore.slot >= slot:
            return False
        work()
        Chore.objects.filter(pk=chore.pk).update(slot=slot)
        return True


@contextmanager
def _alone(name: str) -> Iterator[bool]:
    """Whether nobody else is at it. The lock ends with our connection, however we end."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", [LOCKS, name])
        row = cursor.fetchone()
    alone = bool(row and row[0])
    try:
        yield alone
    finally:
        if alone and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", [LOCKS, name])


def _slot(period: Period) -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT date_trunc(%s, clock_timestamp(), 'UTC')", [period])
        row = cursor.fetchone()
    assert row is not None  # noqa: S101  # a SELECT without FROM gives one row
    slot: datetime = row[0]
    return slot
