"""What time it is at the server: tickets are signed by its clock, and ours may be wrong by a day."""

from __future__ import annotations

import time
from collections.abc import Callable


class Timekeeper:
    """Goes by the server's last word and by how long ago that was; by our own clock until there is one."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._ahead: float | None = None  # of the server's clock against `clock`

    def heard(self, now: float) -> None:
        """The server has just said that it is `now` (seconds since 1970)."""
        self._ahead = now - self._clock()

    def now(self) -> float:
        """Seconds since 1970."""
        return self._wall() if self._ahead is None else self._clock() + self._ahead
