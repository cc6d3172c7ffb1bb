"""A threaded gunicorn worker for thousands of connections that stay open between two requests."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

Connection = TypeVar("Connection")


class Kept(Generic[Connection]):
    """What gunicorn asks of its deque of idle connections, the oldest first.

    A request comes on any of them: to take one out of a deque means to look through it, which took a tenth of
    the worker's time at 5,000 connections. Here it is one step.
    """

    def __init__(self) -> None:
        self._all: OrderedDict[Connection, None] = OrderedDict()

    def append(self, connection: Connection) -> None:
        """The newest."""
        self._all[connection] = None

    def remove(self, connection: Connection) -> None:
        """Raises KeyError if it is not among them."""
        del self._all[connection]

    def popleft(self) -> Connection:
        """Take the oldest out."""
        return self._all.popitem(last=False)[0]

    def __getitem__(self, index: int) -> Connection:
        """Gunicorn asks for the oldest, and for no other."""
        if index != 0:
            raise IndexError(index)
        return next(iter(self._all))

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


class Worker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's own, with another container for idle connections."""

    def init_process(self) -> None:
        """In the forked process, before its loop begins."""
        self.keepalived_conns = Kept[object]()
        super().init_process()
