"""A card with faults on demand, around any other: for tests, and for rehearsing what a bad card does."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from workers.writer.card import Card, aligned
from workers.writer.identity import Identity

FOREVER: Final = -1


@dataclass
class Spot:
    """A place that fails: `times` more, or `FOREVER`. For flips, one bit at `offset` reads wrong."""

    offset: int
    length: int = 1
    times: int = FOREVER
    errno: int = errno.EIO

    def hit(self, offset: int, length: int) -> bool:
        """Whether these bytes touch the spot while it still fails; counts the failure."""
        touched = self.times != 0 and offset < self.offset + self.length and self.offset < offset + length
        if touched and self.times > 0:
            self.times -= 1
        return touched


@dataclass
class FaultyCard:
    """`inner` with faults.

    `gone_after`: removed after so many bytes in and out. `silently_read_only`: accepts and forgets.
    `capacity`: what is really there; beyond it, writes wrap around, or vanish with `drops`.
    `at_most`: moves no more than that many bytes per call. `stops_at`: writes from there on move nothing.
    `flush_errno`: the next flush fails with it.
    """

    inner: Card
    write_errors: Iterable[Spot] = ()
    read_errors: Iterable[Spot] = ()
    flips: Iterable[Spot] = ()
    gone_after: int | None = None
    silently_read_only: bool = False
    capacity: int | None = None
    drops: bool = False
    at_most: int | None = None
    stops_at: int | None = None
    flush_errno: int | None = None
    moved: int = 0

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def block(self) -> int:
        return self.inner.block

    def size(self) -> int:
        return self.inner.size()

    def identity(self) -> Identity:
        return self.inner.identity()

    def present(self) -> bool:
        return not self._is_gone() and self.inner.present()

    def write(self, data: memoryview, offset: int) -> int:
        self._move(len(data))
        _fail(self.write_errors, offset, len(data))
        count = len(data) if self.at_most is None else min(len(data), self.at_most)
        if self.stops_at is not None:
            count = max(0, min(count, self.stops_at - offset))
        if self.silently_read_only:
            return count
        for start, place, length in self._real(offset, count // self.block * self.block):
            piece = aligned(length)
            piece[:] = data[start : start + length]
            self.inner.write(piece, place)
        return count

    def read_into(self, buffer: memoryview, offset: int) -> int:
        if self._is_gone():
            return 0  # what the kernel does
        self._move(len(buffer))
        _fail(self.read_errors, offset, len(buffer))
        count = len(buffer) if self.at_most is None else min(len(buffer), self.at_most)
        buffer[:count] = bytes(count)
        for start, place, length in self._real(offset, count // self.block * self.block):
            piece = aligned(length)
            self.inner.read_into(piece, place)
            buffer[start : start + length] = piece
        for spot in self.flips:
            if spot.hit(offset, count):
                buffer[max(0, spot.offset - offset)] ^= 0x10
        return count

    def discard(self, offset: int, length: int) -> None:
        self._move(0)
        self.inner.discard(offset, length)

    def flush(self) -> None:
        if self._is_gone():
            raise OSError(errno.EIO, "gone")
        if self.flush_errno is not None:
            number, self.flush_errno = self.flush_errno, None
            raise OSError(number, "flush failed")
        self.inner.flush()

    def drop_caches(self) -> None:
        self.inner.drop_caches()

    def close(self) -> None:
        self.inner.close()

    def _is_gone(self) -> bool:
        return self.gone_after is not None and self.moved > self.gone_after

    def _move(self, count: int) -> None:
        self.moved += count
        if self._is_gone():
            raise OSError(errno.ENODEV, "No such device")

    def _real(self, offset: int, length: int) -> Iterable[tuple[int, int, int]]:
        """(start in the buffer, real offset, length): where bytes end up on a forged card."""
        if self.capacity is None:
            return [(0, offset, length)] if length else []
        parts = []
        start = 0
        while start < length:
            place = (offset + start) % self.capacity
            count = min(length - start, self.capacity - place)
            if offset + start < self.capacity or not self.drops:
                parts.append((start, place, count))
            start += count
        return parts


def _fail(spots: Iterable[Spot], offset: int, length: int) -> None:
    for spot in spots:
        if spot.hit(offset, length):
            raise OSError(spot.errno, "fault on demand")
