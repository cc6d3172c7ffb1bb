"""An image that is still arriving: each range is handed out when it is here, proved by the signed block map.

Block map, manifest and signature have come first. The container grows under its temporary name; whoever
fetches it proves it as a whole and renames it then.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from workers.errors import JobError
from workers.imaging.bmap import Bmap
from workers.imaging.container import FRAME, Frame, Reader
from workers.imaging.container.format import (
    BEFORE_DATA,
    RECORD_SIZE,
    SKIP,
    Opener,
    header_length,
)
from workers.imaging.manifest import Manifest
from workers.imaging.ranges import Range, cut
from workers.imaging.source import prove
from workers.places import PART_SUFFIX

_POLL: Final = 0.2  # seconds between two looks at a file that grows


class GrowingSource:
    """Like any source, but `read` and `finish` wait. `check` is called while they do, and may raise.

    What is on the disk may be cut and written anew by the download; so nothing found there is believed
    longer than it takes to prove it.
    """

    signed = True

    def __init__(self, path: Path, bmap: Bmap, manifest: Manifest, check: Callable[[], None]) -> None:
        self._path = path
        self._check = check
        self._closed = threading.Event()
        self._reading = threading.Lock()
        self._opener = Opener()
        self._fd = -1
        self._positions: list[int] = []  # of the records that were passed
        self._next = 0
        self.image_size = bmap.image_size
        self.manifest = manifest
        self.ranges: Sequence[Range] = list(cut(bmap.ranges))

    def read(self, wanted: Range) -> memoryview:
        buffer = memoryview(bytearray(wanted.length))
        self.read_into(wanted, buffer)
        return buffer

    def read_into(self, wanted: Range, buffer: memoryview) -> None:
        """JobError `bad_image` if what arrived is a sound frame, but not of the image that was signed."""
        with self._reading:
            number, skip = divmod(wanted.offset, FRAME)
            while (data := self._frame(number)) is None:
                self._wait()
            buffer[:] = data[skip : skip + wanted.length]
            prove(buffer, wanted, self._path)

    def finish(self) -> None:
        """Wait until the whole container is here under its own name, and is the one that was signed."""
        while not self._path.exists():
            self._wait()
        with Reader(self._path) as reader:
            if reader.root != self.manifest.container.root:
                raise JobError(
                    "wrong_image",
                    f"{self._path.name} is not the container that the manifest names; fetch it again.",
                )

    def close(self) -> None:
        """Whoever waits for a range is let go first."""
        self._closed.set()
        with self._reading:
            self._forget()

    def _wait(self) -> None:
        self._check()
        if self._closed.wait(_POLL):
            raise JobError("bad_image", f"{self._path.name} was closed before all of it had arrived.")

    def _frame(self, number: int) -> memoryview | None:
        """The frame if all of it is here and sound; None: not (yet)."""
        try:
            frame = self._opened(number)
        except (JobError, EOFError):
            self._forget()
            return None
        if frame is None and self._orphaned():
            self._forget()
        return frame

    def _orphaned(self) -> bool:
        """Whether the download has begun another file: nothing more comes to the one that we hold."""
        if self._fd < 0:
            return False
        ours = os.fstat(self._fd)
        for path in self._names():
            with suppress(FileNotFoundError):
                if os.path.samestat(path.stat(), ours):
                    return False
        return True

    def _opened(self, number: int) -> memoryview | None:
        if not self._open():
            return None
        while len(self._positions) <= number:
            if not self._pass():
                return None
        at = self._positions[number]
        frame = self._record(number, at)
        packed = os.pread(self._fd, frame.packed, at + BEFORE_DATA)
        if len(packed) < frame.packed:
            return None
        return self._opener.open(frame, packed)

    def _names(self) -> tuple[Path, Path]:
        """In this order: a file that is renamed in between is still found."""
        return self._path.with_name(self._path.name + PART_SUFFIX), self._path

    def _open(self) -> bool:
        """Under its temporary name, or already under its own: the descriptor outlives the renaming."""
        if self._fd >= 0:
            return True
        for path in self._names():
            try:
                self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            start = os.pread(self._fd, SKIP.size, 0)
            if len(start) == SKIP.size:
                self._next = header_length(start)
                return True
            self._forget()
        return False

    def _pass(self) -> bool:
        """Go past one more record; False if it is not here yet."""
        if os.fstat(self._fd).st_size < self._next + BEFORE_DATA:
            return False
        frame = self._record(len(self._positions), self._next)
        self._positions.append(self._next)
        self._next += BEFORE_DATA + frame.packed
        return True

    def _record(self, number: int, at: int) -> Frame:
        data = os.pread(self._fd, RECORD_SIZE, at + SKIP.size)
        if len(data) < RECORD_SIZE:
            raise EOFError
        return Frame.from_bytes(data, number, self.image_size)

    def _forget(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
        self._positions.clear()
