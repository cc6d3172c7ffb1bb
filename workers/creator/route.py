"""The places of one file, and how long to bear with them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Final

from workers.backoff import Backoff
from workers.creator.http import Interrupted, Trace
from workers.creator.recipe import Checksum

TRIES: Final = 8  # failures in a row without a new byte
_LONGEST_WAIT: Final = 300.0


@dataclass
class Route:
    """The places of one file, best first, each with a time to wait for, and what is known of each.

    `own`: the file's own address, which is never given up; empty where all are only said to have it.
    """

    urls: list[str]
    checksum: Checksum | None = None
    size: int | None = None
    own: str = ""
    ready: dict[str, float] = field(default_factory=dict)
    traces: dict[str, Trace] = field(default_factory=dict)

    def fresh(self) -> Route:
        """For one transfer: another one of the same file must not share what this one has seen."""
        return replace(self, urls=[*self.urls], ready={}, traces={})

    def next(self) -> tuple[str, float]:
        """The place to ask now, and when (monotonic) it may be asked."""
        url = min(self.urls, key=lambda url: self.ready.get(url, 0.0))
        return url, self.ready.get(url, 0.0)

    def put_off(self, url: str, wait: float) -> None:
        self.ready[url] = time.monotonic() + wait

    def trace(self, url: str) -> Trace:
        return self.traces.setdefault(url, Trace())

    def drop(self, url: str) -> bool:
        """Forget a copy that is none; False for the file's own address, and for the last place there is."""
        if url == self.own or len(self.urls) == 1:
            return False
        self.urls.remove(url)
        return True

    def doubt(self) -> bool:
        """What came has the wrong digest: go on where that cannot have been the cause; False if nowhere.

        That is, where nothing came from; but if several had a part in it, the first of them alone, as they
        may have had different files.
        """
        used = [url for url in self.urls if self.trace(url).used]
        left = used[:1] if len(used) > 1 else [url for url in self.urls if url not in used]
        self.urls, self.traces = left or self.urls, {}
        return bool(left)


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
