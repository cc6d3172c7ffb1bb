"""The places of one file, and how long to bear with them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

from workers.backoff import Backoff
from workers.creator.http import Interrupted
from workers.creator.recipe import Checksum

TRIES: Final = 8  # failures in a row without a new byte
_LONGEST_WAIT: Final = 300.0


@dataclass
class Route:
    """The places of one file: its own address first, then copies of it, each with a time to wait for."""

    urls: list[str]
    checksum: Checksum | None = None
    size: int | None = None
    ready: dict[str, float] = field(default_factory=dict)

    def next(self) -> tuple[str, float]:
        """The place to ask now, and when (monotonic) it may be asked."""
        url = min(self.urls, key=lambda url: self.ready.get(url, 0.0))
        return url, self.ready.get(url, 0.0)

    def put_off(self, url: str, wait: float) -> None:
        self.ready[url] = time.monotonic() + wait

    def drop(self, url: str) -> bool:
        """Forget a copy that is none; False for the file's own address."""
        if url == self.urls[0]:
            return False
        self.urls.remove(url)
        return True


class Patience:
    """How long to wait after each failure; none when nothing new came for too many of them."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._delays, self._failures, self._best = backoff.delays(), 0, 0

    def after(self, trouble: Interrupted, done: int) -> float | None:
        if done > self._best:
            self._delays, self._failures, self._best = self._backoff.delays(), 0, done
        self._failures += 1
        if self._failures >= TRIES:
            return None
        return max(next(self._delays), min(trouble.wait, _LONGEST_WAIT))
