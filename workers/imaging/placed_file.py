"""A new file of an ext4 file system whose blocks are allocated: its content goes straight to the image."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final, NamedTuple

from workers.errors import HostError, JobError
from workers.imaging.clone import BLOCK, WORTH_IT
from workers.imaging.image_writer import ImageWriter, Room

_SMALL: Final = 1 << 16  # handing so little to another thread costs more than it brings
_ZEROS: Final = bytes(1 << 16)
_SHARED: Final = 64 << 20  # at a time, so that a cancel is heard
_SEEN: Final = 1 << 20


class Place(NamedTuple):
    """`length` bytes of a file from its byte `at`, and where they lie in the image."""

    at: int
    image: int
    length: int


class _Stretch(NamedTuple):
    """What comes next: bytes of content, where they go, and how many zeros follow."""

    length: int
    image: int
    padding: int


See = Callable[[memoryview], object]


class PlacedFile:
    """Takes a file's content in order, from one thread; other files may be filled at the same time.

    Its holes (what is between the places) swallow what is written there: the caller knows that it is zeros.
    """

    def __init__(self, writer: ImageWriter, size: int, places: Sequence[Place], block: int) -> None:
        self._writer, self.size, self._places, self._block = writer, size, places, block
        self._touched = False  # then what was written before could come over shared blocks
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
            length, image, padding = self._next()
            if image is None:
                length = min(length, len(rest))
            else:
                length = self._put(rest[:length], image, padding if length <= len(rest) else 0)
            self.written += length
            rest = rest[length:]

    def shares(self, fd: int) -> bool:
        """Whether `copy_from` would take blocks of that open file as they are."""
        return self.size >= WORTH_IT and not self._touched and self._writer.shares(fd)

    def _put(self, piece: memoryview, image: int, padding: int) -> int:
        """As much of a piece as fits in one window, and the zeros that follow its end."""
        self._touched = True
        room = self._writer.reserve(image, len(piece) + padding)
        length = min(len(piece), len(room.view))
        room.view[:length] = piece[:length]
        self._pad(room, image, length, padding if length == len(piece) else 0)
        return length

    def _pad(self, room: Room, image: int, length: int, padding: int) -> None:
        """A room is filled; behind the last byte of a stretch, the rest of its block becomes zeros."""
        end = min(length + padding, len(room.view))
        if padding:
            room.view[length:end] = _ZEROS[: end - length]
        room.done(end)
        if end < length + padding:  # the block goes on in the next window
            self._writer.write(image + end, memoryview(_ZEROS)[: length + padding - end])

    def copy_from(self, fd: int, *, sees: See | None = None, tell: Callable[[int], None]) -> None:
        """All of the content from an open file, without a copy in between; holes are not read.

        Where the file system can, blocks are shared with that file. `sees` gets every byte in order, large
        pieces from another thread. `tell` hears how many bytes are done. JobError `size_mismatch` if the file
        has fewer bytes.
        """
        self.rewind()
        sharing = self.shares(fd)
        self._touched = True
        self._seer = self._writer.seer()
        seen: Future[object] | None = None
        while self.written < self.size:
            length, image, padding = self._next()
            if image is None:
                self._skip(length, sees, seen)
                seen = None
            elif sharing and (shared := self._share(fd, image, length, padding)):
                length = shared
                self._see_shared(image, length, sees, seen)
                seen = None
            else:
                length, seen = self._read(fd, _Stretch(length, image, padding), sees, seen)
            self.written += length
            tell(self.written)
        if seen:
            seen.result()

    def _share(self, fd: int, image: int, length: int, padding: int) -> int:
        """As many bytes as come without a copy; 0 if none do. What must be padded is left to the others."""
        whole = min(length - bool(padding), _SHARED) // BLOCK * BLOCK
        aligned = not (self.written % BLOCK or image % BLOCK)
        return whole if aligned and self._writer.clone(fd, self.written, image, whole) else 0

    def _see_shared(self, image: int, length: int, sees: See | None, seen: Future[object] | None) -> None:
        """From the image: what lies there now, even if somebody has changed the file meanwhile."""
        if seen:
            seen.result()
        done = 0
        while sees and done < length:
            piece = self._writer.read_back(image + done, min(_SEEN, length - done))
            if not piece:
                raise HostError("image_changed", "the image shrank while it was filled; build it again")
            sees(memoryview(piece))
            done += len(piece)

    def _read(
        self, fd: int, stretch: _Stretch, sees: See | None, seen: Future[object] | None
    ) -> tuple[int, Future[object] | None]:
        room = self._writer.reserve(stretch.image, stretch.length + stretch.padding)
        try:
            got = os.preadv(fd, [room.view[: stretch.length]], self.written)
        except BaseException:
            room.done(0)
            raise
        if sees and got:
            if seen or got > _SMALL:
                seen = self._writer.later(self._seer, sees, room, got)
            else:
                sees(room.view[:got])
        self._pad(room, stretch.image, got, stretch.padding if got == stretch.length else 0)
        if not got:
            raise JobError(
                "size_mismatch", f"the source ends after {self.written} of {self.size} announced bytes"
            )
        return got, seen

    def _skip(self, length: int, sees: See | None, seen: Future[object] | None) -> None:
        """A hole: it is not read, but seen."""
        if seen:
            seen.result()
        for done in range(0, length if sees else 0, len(_ZEROS)):
            if sees:
                sees(memoryview(_ZEROS)[: length - done])

    def _next(self) -> tuple[int, int | None, int]:
        """How many bytes lie in one stretch from here, where in the image, and zeros that follow them.

        In a hole it is nowhere.
        """
        while self._index < len(self._places):
            at, image, whole = self._places[self._index]
            within = self.written - at
            if within < 0:
                return -within, None, 0
            if within < whole:
                return whole - within, image + within, -whole % self._block
            self._index += 1
        return self.size - self.written, None, 0
