"""Checking a container while its bytes arrive, and finding out how much of a cut one is good."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

from workers.errors import JobError
from workers.imaging.container.format import (
    BEFORE_DATA,
    MAGIC_INDEX,
    MAGIC_RECORD,
    RECORD_SIZE,
    SKIP,
    Frame,
    Opener,
    bad,
    frame_count,
    header_length,
    image_size,
    index_bytes,
    index_length,
)
from workers.imaging.container.pack import ContainerFacts
from workers.report import Report

Sink = Callable[[Frame, memoryview], None]

_BUFFER: Final = 1024 * 1024


class StreamChecker:
    """Takes a container's bytes in any portions and proves each frame before it passes it on.

    `sink` gets every frame once, in order, proved. `verified` counts the container's bytes that
    are good: a cut transfer is continued from there. After JobError `bad_image` the checker stands
    at `verified` and can be fed the true bytes from there. `root` is known once `done`.
    """

    def __init__(self, sink: Sink | None = None) -> None:
        self._sink = sink
        self._buffer = bytearray()
        self._opener = Opener()
        self._frames: list[Frame] = []
        self._positions: list[int] = []
        self.verified = 0
        self.image_size: int | None = None
        self.done = False

    @property
    def root(self) -> str:
        """Digest over all records so far, in hex; the container's root once `done`."""
        return hashlib.sha256(b"".join(frame.to_bytes() for frame in self._frames)).hexdigest()

    @property
    def image_bytes(self) -> int:
        """Bytes of the image that came out so far."""
        return self._frames[-1].offset + self._frames[-1].length if self._frames else 0

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take in the next bytes. JobError `bad_image` (or `not_a_container`) at the first wrong frame."""
        self._buffer += data
        try:
            while taken := self._unit():
                del self._buffer[:taken]
                self.verified += taken
        except BaseException:
            self._buffer.clear()
            raise

    def finish(self, root: str | None = None) -> None:
        """The stream has ended: it must be complete, and have the `root` that the manifest names."""
        if not self.done or self._buffer:
            raise bad(f"it ends after {self.verified} good bytes, before its index")
        if root is not None and self.root != root:
            raise bad("its root is not the one that its manifest names")

    def forget_rest(self) -> None:
        """Drop the bytes after `verified`: the transfer broke and will be continued from there."""
        self._buffer.clear()

    def _unit(self) -> int:
        """Take one complete unit from the buffer's front; its length, or 0 if more bytes are needed."""
        if len(self._buffer) < SKIP.size:
            return 0
        if self.done:
            raise bad("bytes follow its index")
        if self.image_size is None:
            return self._header()
        if len(self._frames) < frame_count(self.image_size):
            return self._frame(self.image_size)
        return self._index(self.image_size)

    def _header(self) -> int:
        length = header_length(bytes(self._buffer[: SKIP.size]))
        if len(self._buffer) < length:
            return 0
        self.image_size = image_size(bytes(self._buffer[SKIP.size : length]))
        return length

    def _frame(self, size: int) -> int:
        number = len(self._frames)
        if SKIP.unpack_from(self._buffer) != (MAGIC_RECORD, RECORD_SIZE):
            raise bad(f"the record of frame {number} is missing")
        if len(self._buffer) < BEFORE_DATA:
            return 0
        frame = Frame.from_bytes(bytes(self._buffer[SKIP.size : BEFORE_DATA]), number, size)
        length = BEFORE_DATA + frame.packed
        if len(self._buffer) < length:
            return 0
        data = self._opener.open(frame, bytes(self._buffer[BEFORE_DATA:length]))
        if self._sink:
            self._sink(frame, data)
        self._frames.append(frame)
        self._positions.append(self.verified)
        return length

    def _index(self, size: int) -> int:
        length = SKIP.size + index_length(size)
        if SKIP.unpack_from(self._buffer) != (MAGIC_INDEX, length - SKIP.size):
            raise bad("its index is missing")
        if len(self._buffer) < length:
            return 0
        if self._buffer[:length] != index_bytes(self._frames, self._positions, self.verified):
            raise bad("its index does not match its frames")
        self.done = True
        return length


def read_stream(
    stream: BinaryIO, sink: Sink | None = None, *, root: str | None = None, report: Report | None = None
) -> StreamChecker:
    """A whole container from a file or socket, each frame proved before `sink` sees it.

    Progress counts container bytes.
    """
    checker = StreamChecker(sink)
    while data := stream.read(_BUFFER):
        checker.feed(data)
        if report:
            report.progress(checker.verified)
            report.check()
    checker.finish(root)
    return checker


def resumed(path: Path, sink: Sink | None = None) -> StreamChecker:
    """A checker that has read the good part of a partial file and waits for the rest.

    Cut the file to `verified` bytes and continue the transfer from there. A missing file is an empty one.
    """
    checker = StreamChecker(sink)
    try:
        with path.open("rb") as file:
            while data := file.read(_BUFFER):
                checker.feed(data)
    except FileNotFoundError:
        return checker
    except JobError as error:
        if error.code not in {"bad_image", "not_a_container"}:
            raise
    checker.forget_rest()
    return checker


def good_prefix(path: Path) -> int:
    """How many bytes at a partial file's beginning can be kept."""
    return resumed(path).verified


def verify(path: Path, *, root: str | None = None, report: Report | None = None) -> ContainerFacts:
    """Read a whole container and prove everything in it; its facts as found."""
    image, container = hashlib.sha256(), hashlib.sha256()
    with path.open("rb") as file:
        checker = StreamChecker(lambda _, data: image.update(data))
        while data := file.read(_BUFFER):
            container.update(data)
            checker.feed(data)
            if report:
                report.progress(checker.verified)
                report.check()
    checker.finish(root)
    return ContainerFacts(
        checker.verified, container.hexdigest(), checker.root, checker.image_bytes, image.hexdigest()
    )
