"""The places at which this process works: each task once, never more than there are places."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Bench:
    """Both bells lead here, the broker's and the server's, so a task that rings twice starts once.

    `work` gives None for a task that was not for us. `changed` is called after each beginning (False) and
    each end: True after work; False when there was none, as asking again at once would bring the same.
    """

    def __init__(self, places: int, work: Callable[[str], object]) -> None:
        self.places = places
        self._work = work
        self._changed = threading.Condition()
        self._running: list[str] = []
        self._begun = 0
        self._open = True
        self.changed: Callable[[bool], None] = lambda _ended: None

    def running(self) -> list[str]:
        """The tasks that occupy a place now."""
        with self._changed:
            return list(self._running)

    def begun(self) -> int:
        """How many tasks have begun here so far."""
        with self._changed:
            return self._begun

    @contextmanager
    def still(self, since: int) -> Iterator[bool]:
        """Nothing begins meanwhile. False when something began after `begun()` was `since`."""
        with self._changed:
            yield self._begun == since

    def run(self, task: str) -> bool:
        """Work on `task` in this thread; False when it runs already, or no place is free."""
        if not self._enter(task):
            return False
        self._occupy(task)
        return True

    def start(self, task: str) -> bool:
        """The same in a thread of its own; True when it began."""
        if not self._enter(task):
            return False
        threading.Thread(target=self._occupy, args=(task,), name=f"task-{task}").start()
        return True

    def close(self) -> None:
        """Nothing new from now on."""
        with self._changed:
            self._open = False

    def wait(self) -> None:
        """Return when every place is empty."""
        with self._changed:
            self._changed.wait_for(lambda: not self._running)

    def _enter(self, task: str) -> bool:
        with self._changed:
            if not self._open or task in self._running or len(self._running) >= self.places:
                return False
            self._running.append(task)
            self._begun += 1
        self.changed(False)
        return True

    def _occupy(self, task: str) -> None:
        worked = False
        try:
            worked = self._work(task) is not None
        finally:
            with self._changed:
                self._running.remove(task)
                self._changed.notify_all()
            self.changed(worked)
