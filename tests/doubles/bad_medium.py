"""What is behind a bad card: a file as its memory, and the faults that come between it and whoever asks.

The same for reads and writes: `{"from": 0, "to": 4096, "times": 1, "on": "write"}` names the bytes that are
touched, how often it happens (for ever without `times`) and in which direction (both without `on`).
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOREVER: Final = -1
MIB: Final = 1024 * 1024
_FLIP: Final = 0x10


@dataclass
class Spot:
    """Bytes that fail, so many times more."""

    start: int
    end: int
    times: int
    on: str
    value: float = 0

    @classmethod
    def of(cls, told: dict[str, Any]) -> Spot:
        return cls(
            int(told.get("from", 0)),
            int(told.get("to", 1 << 63)),
            int(told.get("times", FOREVER)),
            told.get("on", "both"),
            float(told.get("value", 0)),
        )

    def hit(self, verb: str, offset: int, length: int) -> bool:
        """Whether this request touches the spot while it still fails; counts it."""
        if self.times == 0 or self.on not in ("both", verb):
            return False
        if not (offset < self.end and self.start < offset + length):
            return False
        if self.times > 0:
            self.times -= 1
        return True


class BadMedium:
    """Reads and writes as a card with these faults would do them. Thread-safe.

    `claimed`: the size it tells. `real`: what is there; beyond it writes wrap around, or vanish (`limbo`).
    Faults, each a list of spots: `errors` (EIO), `flips` (a bit of the spot's first byte), `forgets`
    (accepted, never kept), `stalls` (waits for `release`), `slow` (`value` seconds for each MiB), `short`
    (moves nothing from the spot's first byte on). `gone_after`: after so many bytes in and out the card is
    away, until `insert`.
    """

    KINDS: Final = ("errors", "flips", "forgets", "stalls", "slow", "short")

    def __init__(
        self,
        path: Path,
        *,
        claimed: int,
        limbo: bool = False,
        tell: Callable[[str], None] = lambda _: None,
        on_gone: Callable[[], None] = lambda: None,
    ) -> None:
        self.claimed = claimed
        self.gone = False
        self.moved = 0
        self._limbo = limbo
        self._tell = tell
        self._on_gone = on_gone
        self._lock = threading.Lock()
        self._released = threading.Condition(self._lock)
        self._spots: dict[str, list[Spot]] = {kind: [] for kind in self.KINDS}
        self._gone_after: int | None = None
        self._insert(path)

    @property
    def size(self) -> int:
        """What it tells now: nothing while it is away."""
        return 0 if self.gone else self.claimed

    def set(self, faults: dict[str, Any]) -> None:
        """Replace the named faults; all other stay. `gone_after` counts from now."""
        with self._lock:
            for kind, told in faults.items():
                if kind == "gone_after":
                    self._gone_after = None if told is None else self.moved + int(told)
                elif kind in self._spots:
                    self._spots[kind] = [Spot.of(each) for each in told]
                else:
                    raise ValueError(f"no such fault: {kind}; there are gone_after, {', '.join(self.KINDS)}")
            self._released.notify_all()

    def release(self) -> None:
        """Let go what is stalled."""
        self.set({"stalls": []})

    def insert(self, path: Path | None = None) -> None:
        """The card is back, or another one in its place; no longer about to go."""
        with self._lock:
            self._gone_after = None
            if path is not None:
                os.close(self._file)
                self._insert(path)
            self.gone = False

    def write(self, data: bytes, offset: int) -> int:
        if offset + len(data) > self.claimed:
            raise OSError(errno.ENOSPC, "beyond the end of the card")
        kept = self._begin("write", offset, len(data))
        if self._hit("forgets", "write", offset, len(data)):
            return kept
        data = self._flipped(data, "write", offset)
        for start, place, length in self._places(offset, kept):
            if place is not None:
                os.pwrite(self._file, data[start : start + length], place)
        return kept

    def read(self, length: int, offset: int) -> bytes:
        length = max(0, min(length, self.claimed - offset))
        length = self._begin("read", offset, length)
        found = bytearray(length)
        for start, place, count in self._places(offset, length):
            if place is not None:
                found[start : start + count] = os.pread(self._file, count, place).ljust(count, b"\0")
        return self._flipped(bytes(found), "read", offset)

    def flush(self) -> None:
        if self.gone:
            raise OSError(errno.EIO, "gone")
        os.fdatasync(self._file)

    def close(self) -> None:
        os.close(self._file)

    def _insert(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._real = os.fstat(self._file).st_size

    def _begin(self, verb: str, offset: int, length: int) -> int:
        """Whatever happens before bytes move; how many will."""
        self._wait(verb, offset, length)
        self._go_away(length)
        if self._hit("errors", verb, offset, length):
            raise OSError(errno.EIO, "fault on demand")
        for spot in self._spots["slow"]:
            if spot.hit(verb, offset, length):
                time.sleep(spot.value * length / MIB)
        return self._shortened(verb, offset, length)

    def _shortened(self, verb: str, offset: int, length: int) -> int:
        with self._lock:
            ends = [spot.start for spot in self._spots["short"] if spot.hit(verb, offset, length)]
        return max(0, min([offset + length, *ends]) - offset)

    def _wait(self, verb: str, offset: int, length: int) -> None:
        with self._lock:
            while any(spot.hit(verb, offset, length) for spot in self._spots["stalls"]):
                self._tell("stalled")
                self._released.wait()

    def _go_away(self, length: int) -> None:
        with self._lock:
            leaves = not self.gone and self._gone_after is not None and self.moved + length > self._gone_after
            self.gone = self.gone or leaves
            self.moved += length
        if leaves:
            self._on_gone()
            self._tell("gone")
        if self.gone:
            raise OSError(errno.EIO, "gone")

    def _hit(self, kind: str, verb: str, offset: int, length: int) -> bool:
        with self._lock:
            hits = [spot.hit(verb, offset, length) for spot in self._spots[kind]]  # each of them counts
            return any(hits)

    def _flipped(self, data: bytes, verb: str, offset: int) -> bytes:
        changed = bytearray(data)
        with self._lock:
            for spot in self._spots["flips"]:
                if spot.hit(verb, offset, len(data)):
                    changed[max(0, spot.start - offset)] ^= _FLIP
        return bytes(changed)

    def _places(self, offset: int, length: int) -> Iterator[tuple[int, int | None, int]]:
        """(start in the buffer, place in the file or None, length): where bytes end up on a forged card."""
        start = 0
        while start < length:
            place = (offset + start) % self._real
            count = min(length - start, self._real - place)
            yield start, None if self._limbo and offset + start >= self._real else place, count
            start += count
