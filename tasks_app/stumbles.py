"""One piece of work that goes wrong stops nothing else: it is put off, and staff see it in the admin."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection
from django.db.models.functions import Now
from psycopg.errors import QueryCanceled

from imager import clock
from tasks_app.models import Stumble

R = TypeVar("R")

log = logging.getLogger(__name__)

FIRST = timedelta(minutes=1)
MOST = timedelta(hours=1)
FORGOTTEN = timedelta(days=1)


class Footing:
    """For the pieces of one job. What failed lately rests: a minute, then twice as long, at most an hour."""

    def __init__(self, job: str) -> None:
        self.job = job
        self.rests = dict(Stumble.objects.filter(job=job).values_list("subject", "not_before"))
        self.at = clock.now()

    def step(
        self, subject: object, work: Callable[[], R], *, fatal: tuple[type[Exception], ...] = ()
    ) -> R | None:
        """What `work` returns; None if it failed, rests, or waited too long for a lock.

        Raises only what makes all further work pointless: that the database is gone, or a `fatal` error.
        """
        name = str(subject)
        if name in self.rests and self.rests[name] > self.at:
            return None
        try:
            done = work()
        except fatal:
            raise
        except (OperationalError, InterfaceError) as error:
            if not connection.is_usable():
                raise
            if isinstance(error.__cause__, QueryCanceled):  # too much for one statement, and will be again
                self._note(name, error)
                return None
            kind = type(error).__name__
            log.warning("%s %s: the database is busy with it, later (%s)", self.job, name, kind)
            return None
        except Exception as error:  # noqa: BLE001  # a bug of ours, or a row that nobody thought of
            self._note(name, error)  # it must not stop the rest
            return None
        if name in self.rests:
            Stumble.objects.filter(job=self.job, subject=name).delete()
        return done

    def _note(self, name: str, error: Exception) -> None:
        log.error("%s %s failed", self.job, name, exc_info=error)
        row, _ = Stumble.objects.get_or_create(job=self.job, subject=name, defaults={"not_before": self.at})
        pause = min(FIRST * 2 ** min(row.count, 10), MOST)
        Stumble.objects.filter(pk=row.pk).update(
            count=row.count + 1,
            error=f"{type(error).__name__}: {error}"[:1000].replace("\x00", "�"),
            last_at=Now(),
            not_before=clock.now() + pause,
        )


def forget() -> int:
    """Remove what nobody stumbled over again for a day after its rest: it is gone. Returns how many."""
    return Stumble.objects.filter(not_before__lt=clock.now() - FORGOTTEN).delete()[0]
