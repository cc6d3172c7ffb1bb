"""Several transfers at a time, while the caller listens for a cancel."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Final, TypeVar

from workers.report import Report

_NAP: Final = 0.1

T = TypeVar("T")


def all_of(
    jobs: Sequence[Callable[[], T]], *, width: int, report: Report, cut: Callable[[], None]
) -> list[T]:
    """The results of all jobs, in their order; at most `width` run at a time.

    On the first failure, or a cancel, `cut` must end those that run; then the failure is raised.
    """
    with ThreadPoolExecutor(max_workers=width, thread_name_prefix="fetch") as pool:
        futures = [pool.submit(job) for job in jobs]
        waiting: set[Future[T]] = set(futures)
        try:
            while waiting:
                report.check()
                done, waiting = wait(waiting, timeout=_NAP, return_when=FIRST_EXCEPTION)
                for each in done:
                    each.result()
        finally:
            if not all(each.done() and not each.exception() for each in futures):
                pool.shutdown(wait=False, cancel_futures=True)
                cut()
        return [each.result() for each in futures]


class Sum:
    """One progress out of many: each part tells how far it is, the report hears the sum."""

    def __init__(self, report: Report) -> None:
        self._report, self._lock = report, threading.Lock()
        self._done = 0

    def part(self) -> Callable[[int], None]:
        """A teller for one part."""
        before = 0

        def tell(done: int) -> None:
            nonlocal before
            with self._lock:
                self._done += done - before
                before = done
                self._report.progress(self._done)

        return tell
