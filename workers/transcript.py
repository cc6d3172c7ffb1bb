"""The log of one attempt: grows line by line, and is given away in pieces by offset."""

from __future__ import annotations

import io
import threading
from collections import deque
from collections.abc import Callable

from workers.contract import MAX_LOG_CHUNK, MAX_LOG_KEPT, LogPiece

_TAIL = 8  # lines of output that explain a sudden death
PIECE = MAX_LOG_CHUNK // 4  # characters: no character takes more than four bytes
_FULL = "(the log is full; what follows is dropped)\n"


class Transcript:
    """Thread-safe. Every line passes `scrub`, which takes the secrets out."""

    def __init__(self, scrub: Callable[[str], str]) -> None:
        self._scrub = scrub
        self._text = io.StringIO()
        self._length = 0
        self._full = False
        self._tail: deque[str] = deque(maxlen=_TAIL)
        self._lock = threading.Lock()

    def add(self, line: str) -> None:
        """One line more."""
        line = self._scrub(_storable(line)).rstrip("\n")
        with self._lock:
            self._tail.append(line.strip())
            if self._full:
                return
            self._full = self._length + len(line) > MAX_LOG_KEPT // 4
            text = _FULL if self._full else f"{line}\n"
            self._text.seek(0, io.SEEK_END)
            self._text.write(text)
            self._length += len(text)

    def __len__(self) -> int:
        with self._lock:
            return self._length

    def piece(self, offset: int) -> LogPiece:
        """The next piece from `offset` on, short enough for one report."""
        with self._lock:
            self._text.seek(offset)
            return {"offset": offset, "text": self._text.read(PIECE)}

    def last_piece(self, offset: int) -> LogPiece:
        """Everything from `offset` on in one piece; what does not fit is cut out of the middle."""
        with self._lock:
            self._text.seek(offset)
            rest = self._text.read()
        if len(rest) > PIECE:
            half = PIECE // 2 - 50
            rest = f"{rest[:half]}\n({len(rest) - 2 * half} characters cut)\n{rest[-half:]}"
        return {"offset": offset, "text": rest}

    def tail(self) -> str:
        """The last lines in one."""
        with self._lock:
            return " | ".join(filter(None, self._tail))


def _storable(line: str) -> str:
    """Databases take neither NUL nor lone surrogates."""
    return line.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
