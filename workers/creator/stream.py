"""An archive that is unpacked while it arrives: what the network brings passes from thread to thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from workers.errors import Canceled

_MOST: Final = 8 << 20  # bytes that wait; then the network has to
_NAP: Final = 0.1


class Unplanned(Exception):
    """It cannot go on while it arrives; with all archives at hand before anything is unpacked, it can."""


class Pipe:
    """A sink for the thread that fetches; the other one takes the pieces, and knows the end only by `end`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._held = 0
        self._ended = self._closed = False
        self.trouble: BaseException | None = None

    def write(self, data: bytes | memoryview, /) -> None:
        """Wait until there is room for it. `Canceled` if nobody takes it any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._held < _MOST or self._closed)
            if self._closed:
                raise Canceled
            self._waiting.append(bytes(data))
            self._held += len(data)
            self._changed.notify_all()

    def rewind(self) -> None:
        """What was unpacked cannot be taken back."""
        raise Unplanned("it came from the start again")

    def end(self, trouble: BaseException | None = None) -> None:
        """Nothing more comes: all of it is proved, or `trouble` says why not."""
        with self._changed:
            self._ended, self.trouble = True, trouble
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody takes anything any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def pieces(self, check: Callable[[], None]) -> Iterator[bytes]:
        """All that arrives, in order; `check` is called while waiting, and may raise."""
        while True:
            piece = self._take()
            if piece is None:
                return
            if not piece:
                check()
                continue
            yield piece

    def _take(self) -> bytes | None:
        """The next piece; nothing if it has not come yet, None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended, timeout=_NAP)
            if self._waiting:
                piece = self._waiting.popleft()
                self._held -= len(piece)
                self._changed.notify_all()
                return piece
            if self._ended and self.trouble is not None:
                raise self.trouble
            return None if self._ended else b""
