"""Brings pieces of content to their places in an image file: gathered, and written past the page cache.

Many small files that lie side by side become one large write, and the disk works while the next
window fills. Several threads may write at once, to different places.
"""

from __future__ import annotations

import itertools
import mmap
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from workers.imaging.clone import can_clone, clone
from workers.imaging.direct import ALIGNED, NO_DIRECT, new_buffer, open_direct

WINDOW: Final = 4 << 20
_WINDOWS: Final = 8
_OPEN: Final = 5  # of them gathering; the others on their way to the disk
_LANES: Final = 2


class _Window:
    """4 MiB of the image from `base`, as far as they are known: `spans` of [start, end) within."""

    def __init__(self, buffer: mmap.mmap, base: int) -> None:
        self.memory, self.buffer, self.base = buffer, memoryview(buffer), base
        self.spans: list[tuple[int, int]] = []
        self.pins = 0

    @property
    def full(self) -> bool:
        return self.spans == [(0, WINDOW)]

    def add(self, start: int, end: int) -> None:
        """Remember that this part is known now."""
        if self.spans and self.spans[-1][1] == start:
            self.spans[-1] = (self.spans[-1][0], end)
            return
        merged: list[tuple[int, int]] = []
        for low, high in sorted([*self.spans, (start, end)]):
            if merged and low <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        self.spans = merged


class ImageWriter:
    """An image file that is open for content. `close` brings everything to the disk.

    An error of the disk (OSError) shows at a later call, at `close` at the latest.
    """

    def __init__(self, image: Path) -> None:
        self._fd = os.open(image, os.O_RDWR | os.O_CLOEXEC)
        self._direct, self._refused = open_direct(image, os.O_WRONLY), False
        self._free = [new_buffer(WINDOW) for _ in range(_WINDOWS)]
        self._open: dict[int, _Window] = {}  # by number, the least recently begun first
        self._changed = threading.Condition()
        self._trouble: OSError | None = None
        self._lanes = [ThreadPoolExecutor(1, thread_name_prefix="image") for _ in range(_LANES)]
        self._shares: dict[int, bool] = {}  # by device, whether its files can give us blocks
        self._busy = [threading.Lock() for _ in self._lanes]
        self._seers = [ThreadPoolExecutor(1, thread_name_prefix="content") for _ in range(_LANES)]
        self._next_seer = itertools.cycle(self._seers)

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """`data` to byte `offset` of the image."""
        rest = memoryview(data)
        while rest:
            room = self.reserve(offset, len(rest))
            room.view[:] = rest[: len(room.view)]
            room.done(len(room.view))
            offset += len(room.view)
            rest = rest[len(room.view) :]

    def reserve(self, offset: int, most: int) -> Room:
        """Room for at most `most` bytes from `offset`; to be filled at once, and then told `done`."""
        number, start = divmod(offset, WINDOW)
        with self._changed:
            window = self._window(number)
            window.pins += 1
        return Room(self, window, start, min(WINDOW, start + most))

    def seer(self) -> ThreadPoolExecutor:
        """A thread for `later`; one file keeps to one, so that it is seen in order."""
        return next(self._next_seer)

    def later(
        self, seer: ThreadPoolExecutor, work: Callable[[memoryview], object], room: Room, length: int
    ) -> Future[object]:
        """Have `work` see what was put in `room`, beside the writing; in the order of the calls."""
        with self._changed:
            room.window.pins += 1
        return seer.submit(self._see, work, room, length)

    def shares(self, fd: int) -> bool:
        """Whether the image can take blocks of an open file without a copy; asked once per file system."""
        device = os.fstat(fd).st_dev
        if device not in self._shares:
            self._shares[device] = can_clone(fd, self._fd)
        return self._shares[device]

    def clone(self, fd: int, at: int, offset: int, length: int) -> bool:
        """Whole blocks of an open file to byte `offset`, where nothing was written yet; whether it worked."""
        return clone(fd, at, length, self._fd, offset)

    def read_back(self, offset: int, length: int) -> bytes:
        """What was cloned."""
        return os.pread(self._fd, length, offset)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Within, nothing is on its way to the disk; what fills up meanwhile waits."""
        with ExitStack() as all_lanes:
            for lane in self._busy:
                all_lanes.enter_context(lane)
            yield

    def flush(self) -> None:
        """Bring everything to the image file; other readers of it see it then."""
        with self._changed:
            for number in list(self._open):
                self._changed.wait_for(partial(self._idle, number))
                if number in self._open:
                    self._send(number)
            self._changed.wait_for(lambda: len(self._free) + len(self._open) == _WINDOWS)
            self._raise_trouble()

    def close(self) -> None:
        """Flush and sync; nothing may be written any more."""
        try:
            for seer in self._seers:
                seer.shutdown()
            self.flush()
            os.fsync(self._fd)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close at once, if it is open yet; what is still gathered is dropped."""
        for lane in (*self._seers, *self._lanes):
            lane.shutdown()
        for fd in (self._fd, self._direct):
            if fd is not None and fd >= 0:
                os.close(fd)
        self._fd, self._direct = -1, None
        self._open.clear()

    def settled(self, window: _Window, span: tuple[int, int] | None) -> None:
        """A room is filled (with `span`), or was looked at."""
        with self._changed:
            window.pins -= 1
            if span:
                window.add(*span)
            number = window.base // WINDOW
            if window.full and not window.pins:
                self._send(number)
            self._changed.notify_all()

    def _see(self, work: Callable[[memoryview], object], room: Room, length: int) -> None:
        try:
            work(room.view[:length])
        finally:
            self.settled(room.window, None)

    def _window(self, number: int) -> _Window:
        while (found := self._open.get(number)) is None:
            self._raise_trouble()
            if len(self._open) >= _OPEN or not self._free:
                idle = next((each for each in self._open if self._idle(each)), None)
                if idle is not None:
                    self._send(idle)
            if self._free:
                found = self._open[number] = _Window(self._free.pop(), number * WINDOW)
                break
            self._changed.wait()
        return found

    def _idle(self, number: int) -> bool:
        window = self._open.get(number)
        return window is None or not window.pins

    def _send(self, number: int) -> None:
        """A window to the disk. One number always takes the same lane, so that later bytes win."""
        window = self._open.pop(number)
        lane = number % _LANES
        self._lanes[lane].submit(self._bring, window, self._busy[lane])

    def _bring(self, window: _Window, busy: threading.Lock) -> None:
        try:
            with busy:
                self._put_all(window)
        except OSError as error:
            self._trouble = self._trouble or error
        finally:
            with self._changed:
                self._free.append(window.memory)
                self._changed.notify_all()

    def _put_all(self, window: _Window) -> None:
        for start, end in window.spans:
            self._put(window.buffer[start:end], window.base + start)

    def _put(self, data: memoryview, at: int) -> None:
        """The aligned middle directly, the edges through the page cache."""
        first = min(-(-at // ALIGNED) * ALIGNED, at + len(data)) - at
        last = max((at + len(data)) // ALIGNED * ALIGNED - at, first)
        if self._direct is None:
            first = last = 0
        _write(self._fd, data[:first], at)
        if not self._write_direct(data[first:last], at + first):
            _write(self._fd, data[first:last], at + first)
        _write(self._fd, data[last:], at + last)

    def _write_direct(self, data: memoryview, at: int) -> bool:
        """False where that cannot be: some file systems say so only now, or want larger blocks than ours."""
        if self._direct is None or self._refused:
            return False
        try:
            _write(self._direct, data, at)
        except OSError as error:
            if error.errno not in NO_DIRECT:
                raise
            self._refused = True
            return False
        return True

    def _raise_trouble(self) -> None:
        if self._trouble:
            raise self._trouble


class Room:
    """A stretch of the image that the caller fills."""

    def __init__(self, writer: ImageWriter, window: _Window, start: int, end: int) -> None:
        self._writer, self.window, self._start = writer, window, start
        self.view = window.buffer[start:end]

    def done(self, length: int) -> None:
        """The first `length` bytes are filled."""
        span = (self._start, self._start + length) if length else None
        self._writer.settled(self.window, span)


def _write(fd: int, data: memoryview, at: int) -> None:
    while data:
        done = os.pwrite(fd, data, at)
        data, at = data[done:], at + done
