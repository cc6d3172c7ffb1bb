"""Work in order, beside the caller, who does not get far ahead of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self

_BEHIND: Final = 4  # pieces of work that may wait: each holds a frame in memory


class Lane:
    """One thread. What fails there is raised by a later call, by `finish` at the latest."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._open: deque[Future[object]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(self, work: Callable[[], object]) -> None:
        """Have `work` done after all that was submitted before."""
        self._open.append(self._thread.submit(work))
        while len(self._open) > _BEHIND or (self._open and self._open[0].done()):
            self._open.popleft().result()

    def finish(self) -> None:
        """Wait until all is done."""
        while self._open:
            self._open.popleft().result()

    def close(self) -> None:
        """End; what has not begun is dropped."""
        self._thread.shutdown(cancel_futures=True)
