"""Daemon threads for calls that may hang in the kernel: a hung one must not keep its process from ending."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError
from typing import Any, TypeVar

Result = TypeVar("Result")


class Lanes:
    """`count` threads that take up calls in the order in which they were submitted."""

    def __init__(self, count: int, name: str) -> None:
        self._calls: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._running: set[Future[Any]] = set()
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, call: Callable[[], Result]) -> Future[Result]:
        future: Future[Result] = Future()
        self._calls.put((future, call))
        return future

    def close(self, patience: float) -> bool:
        """Begin nothing more and wait for what has begun; False if it takes longer than `patience` seconds.

        Whoever waits for a result that is not there yet gets `CancelledError`.
        """
        with contextlib.suppress(queue.Empty):
            while taken := self._calls.get_nowait():
                taken[0].cancel()
        with self._lock:
            running = list(self._running)
        for future in running:
            with contextlib.suppress(InvalidStateError):  # just done
                future.set_exception(CancelledError())
        for _ in self._threads:
            self._calls.put(None)
        give_up = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, give_up - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        while taken := self._calls.get():
            future, call = taken
            if future.set_running_or_notify_cancel():
                with self._lock:
                    self._running.add(future)
                with contextlib.suppress(InvalidStateError):  # closed meanwhile: nobody waits any more
                    _settle(future, call)
                with self._lock:
                    self._running.discard(future)
            del taken, future, call  # or the last buffer would live as long as the thread


def _settle(future: Future[Result], call: Callable[[], Result]) -> None:
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for the future
        future.set_exception(error)
    else:
        future.set_result(result)
