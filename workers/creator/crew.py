"""Several transfers at a time, while the caller listens for a cancel."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from workers.report import Report

_NAP: Final = 0.1

T = TypeVar("T")


class Crew:
    """Jobs that run beside the caller, at most `width` at a time, until the context ends.

    On a failure, or a cancel, `cut` must end those that run.
    """

    def __init__(self, *, width: int, report: Report, cut: Callable[[], None]) -> None:
        self._pool = ThreadPoolExecutor(max_workers=width, thread_name_prefix="fetch")
        self._report, self._cut = report, cut
        self._jobs: list[Future[Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not all(each.done() and not each.exception() for each in self._jobs):
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._cut()
        self._pool.shutdown()

    def begin(self, job: Callable[[], T]) -> Future[T]:
        """It runs as soon as there is a place for it."""
        begun = self._pool.submit(job)
        self._jobs.append(begun)
        return begun

    def check(self) -> None:
        """Raise what made a job fail, or `Canceled`."""
        self._report.check()
        for each in self._jobs:
            if each.done():
                each.result()

    def finish(self) -> None:
        """Wait for all jobs; the first failure is raised."""
        waiting = set(self._jobs)
        while waiting:
            self._report.check()
            done, waiting = wait(waiting, timeout=_NAP, return_when=FIRST_EXCEPTION)
            for each in done:
                each.result()


def all_of(
    jobs: Sequence[Callable[[], T]], *, width: int, report: Report, cut: Callable[[], None]
) -> list[T]:
    """The results of all jobs, in their order; at most `width` run at a time.

    On the first failure, or a cancel, `cut` must end those that run; then the failure is raised.
    """
    with Crew(width=width, report=report, cut=cut) as crew:
        begun = [crew.begin(job) for job in jobs]
        crew.finish()
        return [each.result() for each in begun]


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
