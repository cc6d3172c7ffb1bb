"""What the server said has ended; kept on disk, so that a restart neither forgets nor starts over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from warehouse.ftp import statefile

STALE_AFTER: Final = 600.0  # seconds without news after which nobody may begin to store
REMEMBERED: Final = 24 * 3600.0  # far longer than any ticket lives


class EndedList:
    """Attempts that are over, the cursor of the next question, and how old the news are."""

    def __init__(
        self,
        file: Path,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._file = file
        self._clock = clock
        self._wall = wall
        self._lock = threading.Lock()
        kept = statefile.read(file)
        self.cursor = str(kept.get("cursor", ""))
        self._ended: dict[str, float] = dict(kept.get("ended", {}))
        self._heard = self._last_heard(kept.get("heard"))

    def has(self, user: str) -> bool:
        """Whether the attempt `<task>.<attempt>` is over."""
        return user in self._ended

    def is_fresh(self) -> bool:
        """Whether the server was heard in the last ten minutes."""
        return self._heard is not None and self._clock() - self._heard < STALE_AFTER

    def add(self, users: list[str]) -> None:
        """From now on these attempts cannot log in."""
        now = self._wall()
        with self._lock:
            self._ended = {
                **{user: when for user, when in self._ended.items() if now - when < REMEMBERED},
                **dict.fromkeys(users, now),
            }

    def heard(self, cursor: str) -> None:
        """The server answered, and everything up to `cursor` is carried out."""
        with self._lock:
            self.cursor = cursor
            self._heard = self._clock()
            kept = {"cursor": cursor, "heard": self._wall(), "ended": self._ended}
        statefile.write(self._file, kept)

    def _last_heard(self, heard: object) -> float | None:
        if not isinstance(heard, int | float):
            return None
        age = self._wall() - heard
        # A clock that was set back proves nothing about the age.
        return self._clock() - age if age >= 0 else None
