"""Work ahead of, or behind, the thread that talks to the card. Reading, hashing and writing free the GIL."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from workers.imaging.ranges import GRID
from workers.writer.card import aligned

DEPTH: Final = 4  # buffers in flight; more gains nothing, at 4 MiB each

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(
    items: Iterable[Item], fill: Callable[[Item, memoryview], Result], *, depth: int = DEPTH
) -> Generator[tuple[Item, Result, memoryview], None, None]:
    """Each item with what `fill(item, buffer)` made of it, in order, one thread up to `depth` items ahead.

    A buffer is the caller's until the next item is asked for. A failure of `fill` comes at its item's turn.
    Close the generator when you leave early.
    """
    buffers = [aligned(GRID) for _ in range(depth)]
    waiting: deque[tuple[Item, Future[Result], memoryview]] = deque()
    source = iter(items)
    pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")
    try:
        while True:
            while buffers and (item := next(source, None)) is not None:
                buffer = buffers.pop()
                waiting.append((item, pool.submit(fill, item, buffer), buffer))
            if not waiting:
                return
            first, future, buffer = waiting.popleft()
            yield first, future.result(), buffer
            buffers.append(buffer)
    finally:
        pool.shutdown(cancel_futures=True)


class Behind:
    """Calls `digest(item, buffer)` in a thread while the next buffer is being read; results in order."""

    def __init__(self, *, depth: int = DEPTH) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="behind")
        self._free: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
        for _ in range(depth):
            self._free.put(aligned(GRID))

    def buffer(self) -> memoryview:
        """A free buffer; waits until the thread has done with one."""
        return self._free.get()

    def submit(
        self, digest: Callable[[Item, memoryview], Result], item: Item, buffer: memoryview
    ) -> Future[Result]:
        """Hand over a filled buffer; it is freed when the work on it ends, well or not."""
        future = self._pool.submit(digest, item, buffer)
        future.add_done_callback(lambda _: self._free.put(buffer))
        return future

    def free(self, buffer: memoryview) -> None:
        """Give back a buffer that nothing was read into."""
        self._free.put(buffer)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
