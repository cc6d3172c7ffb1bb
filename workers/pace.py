"""How fast a step goes, how long it will still take, and when to tell."""

from __future__ import annotations

import math
import random

from workers.backoff import Backoff
from workers.contract import LEASE, REPORT_AT_MOST_EVERY, Progress

WINDOW = 20.0  # seconds over which the rate is smoothed
_JITTER = 0.2


class Pace:
    """Progress of one step. Times are seconds of any one monotonic clock."""

    def __init__(self, total: int | None, now: float) -> None:
        self._total = total
        self._done = 0
        self._at = now
        self._rate: float | None = None

    def update(self, done: int, now: float) -> None:
        """`done` bytes are behind us at `now`."""
        elapsed = now - self._at
        if elapsed <= 0:
            return
        rate = max(done - self._done, 0) / elapsed
        weight = 1 - math.exp(-elapsed / WINDOW)
        self._rate = rate if self._rate is None else self._rate + weight * (rate - self._rate)
        self._done, self._at = done, now

    def progress(self, done: int) -> Progress:
        """The progress that a report carries."""
        left = None if self._total is None else max(self._total - done, 0)
        eta = left / self._rate if left is not None and self._rate else None
        return {"done": done, "total": self._total, "rate": self._rate, "eta": eta}


class Schedule:
    """When the next report is due: soon after a change, regularly without one, rarer while nobody answers."""

    def __init__(self, every: float, now: float, lease: float = LEASE) -> None:
        self._every = every
        self._lease = lease
        self._backoff = Backoff(first=1.0, most=30.0)
        self._delays = self._backoff.delays()
        self._last = self._sign = now - REPORT_AT_MOST_EVERY
        self._silence = 0.0
        self._quiet = self._spread()

    def due(self, now: float, *, changed: bool, least: float = REPORT_AT_MOST_EVERY) -> bool:
        """Is it time? A change waits for `least` seconds after the last report."""
        if changed and now - self._last >= max(least, self._silence):
            return True
        return now - self._sign >= self._quiet

    def held(self, now: float) -> None:
        """The server knows by other means that we are here."""
        if not self._silence:
            self._sign, self._quiet = now, max(self._every, self._lease / 3)

    def sent(self, now: float, *, taken: bool) -> None:
        """A report went out; `taken` when the server answered."""
        self._last = self._sign = now
        self._quiet = self._spread()
        if taken:
            self._delays = self._backoff.delays()
            self._silence = 0.0
        else:
            self._silence = next(self._delays)
            self._quiet = max(self._silence, 1.0)

    def _spread(self) -> float:
        return self._every * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - spreads load, guards nothing
