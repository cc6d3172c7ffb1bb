"""A new file of an ext4 file system whose blocks are allocated: its content goes straight to the image."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final, NamedTuple

from workers.errors import JobError
from workers.imaging.image_writer import ImageWriter

_SMALL: Final = 1 << 16  # handing so little to another thread costs more than it brings
_ZEROS: Final = bytes(1 << 16)


class Place(NamedTuple):
    """`length` bytes of a file from its byte `at`, and where they lie in the image."""

    at: int
    image: int
    length: int


class PlacedFile:
    """Takes a file's content in order, from one thread; other files may be filled at the same time.

    Its holes (what is between the places) swallow what is written there: the caller knows that it is zeros.
    """

    def __init__(self, writer: ImageWriter, size: int, places: Sequence[Place], block: int) -> None:
        self._writer, self.size, self._places, self._block = writer, size, places, block
        self.rewind()

    @property
    def places(self) -> list[tuple[int, int]]:
        """(image offset, length) of each stretch of the content."""
        return [(each.image, each.length) for each in self._places]

    def rewind(self) -> None:
        """Begin again: what was written will be overwritten."""
        self.written = self._index = 0

    def write(self, data: bytes | memoryview, /) -> None:
        """The next piece; more than the file's size is a JobError `size_mismatch`."""
        rest = memoryview(data)
        if self.written + len(rest) > self.size:
            raise JobError("size_mismatch", f"more than the announced {self.size} bytes arrived")
        while rest:
            length, image = self._next()
            piece = rest[:length]
            if image is not None:
                self._writer.write(image, piece)
            self._advance(len(piece))
            rest = rest[len(piece) :]

    def copy_from(
        self, fd: int, *, sees: Callable[[memoryview], object] | None = None, tell: Callable[[int], None]
    ) -> None:
        """All of the content from an open file, without a copy in between; holes are not read.

        `sees` gets every byte in order, large pieces from another thread. `tell` hears how many
        bytes are done. JobError `size_mismatch` if the file has fewer bytes.
        """
        self.rewind()
        seen: Future[object] | None = None
        while self.written < self.size:
            length, image = self._next()
            if image is None:
                seen = self._skip(length, sees, seen)
            else:
                seen = self._read(fd, image, length, sees, seen)
            tell(self.written)
        if seen:
            seen.result()

    def _read(
        self,
        fd: int,
        image: int,
        length: int,
        sees: Callable[[memoryview], object] | None,
        seen: Future[object] | None,
    ) -> Future[object] | None:
        room = self._writer.reserve(image, length)
        got = 0
        try:
            got = os.preadv(fd, [room.view], self.written)
            if not got:
                raise JobError(
                    "size_mismatch", f"the source ends after {self.written} of {self.size} announced bytes"
                )
            if sees and (seen or got > _SMALL):
                seen = self._writer.later(sees, room, got)
            elif sees:
                sees(room.view[:got])
        finally:
            room.done(got)
        self._advance(got)
        return seen

    def _skip(
        self, length: int, sees: Callable[[memoryview], object] | None, seen: Future[object] | None
    ) -> Future[object] | None:
        if seen:
            seen.result()
        for done in range(0, length if sees else 0, len(_ZEROS)):
            if sees:
                sees(memoryview(_ZEROS)[: length - done])
        self._advance(length)
        return None

    def _next(self) -> tuple[int, int | None]:
        """How many bytes lie in one stretch from here, and where in the image; None in a hole."""
        while self._index < len(self._places):
            place = self._places[self._index]
            within = self.written - place.at
            if within < 0:
                return -within, None
            if within < place.length:
                return place.length - within, place.image + within
            self._index += 1
        return self.size - self.written, None

    def _advance(self, length: int) -> None:
        """Behind the last byte of a stretch, the rest of its block becomes zeros."""
        self.written += length
        if self._index == len(self._places):
            return
        place = self._places[self._index]
        padding = -place.length % self._block
        if padding and self.written == place.at + place.length:
            self._writer.write(place.image + place.length, memoryview(_ZEROS)[:padding])
