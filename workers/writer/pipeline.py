"""Buffers on their way between host and card: two stages, several in flight, results in order.

Reading, hashing and writing free the GIL.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from workers.imaging.ranges import GRID
from workers.writer.card import aligned
from workers.writer.lanes import Lanes

Item = TypeVar("Item")
Middle = TypeVar("Middle")
Result = TypeVar("Result")
Wait = Callable[[Future[Result]], Result]


def through(
    items: Iterable[Item],
    first: tuple[Lanes, Callable[[Item, memoryview], Middle]],
    second: tuple[Lanes, Callable[[Item, Middle, memoryview], Result]],
    *,
    wait: Wait[Result],
    buffers: int,
) -> Generator[tuple[Item, Result], None, None]:
    """Each item with what became of it: `second(item, first(item, buffer), buffer)`, in the items' order.

    Up to `buffers` items are under way. A failure comes at its item's turn. Items are taken from the
    iterable as buffers get free, so that whoever feeds it may look at the results of earlier ones.
    """
    free = [aligned(GRID) for _ in range(buffers)]
    waiting: deque[tuple[Item, Future[Result], memoryview]] = deque()
    source = iter(items)
    while True:
        while free and (item := next(source, None)) is not None:
            buffer = free.pop()
            middle = first[0].submit(partial(first[1], item, buffer))
            last = second[0].submit(partial(_continue, second[1], item, middle, buffer))
            waiting.append((item, last, buffer))
        if not waiting:
            return
        item, future, buffer = waiting.popleft()
        yield item, wait(future)
        free.append(buffer)


def _continue(
    work: Callable[[Item, Middle, memoryview], Result],
    item: Item,
    middle: Future[Middle],
    buffer: memoryview,
) -> Result:
    return work(item, middle.result(), buffer)
