"""A process that was started before there is work for it: a task then begins at once, not after its imports.

It is marked with the claim id for which it will work, as every process of an attempt from its first moment.
"""

from __future__ import annotations

import threading
import uuid

import structlog

from workers.child import Started, start
from workers.contract import Kind
from workers.errors import HostError

LATER = 1.0  # seconds after the worker's start, or after one was taken: what goes on comes first

_log = structlog.get_logger()


class Spare:
    """At most one process that waits. Without `keep` there is none, and `take` gives None. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.waiting: Started | None = None
        self._taken = threading.Event()
        self._closed = False

    def keep(self, kind: Kind) -> None:
        """From now on one waits.

        It is started by a thread that lasts as long as we: the kernel ends a child with its parent's thread.
        """
        threading.Thread(target=self._start_them, args=(kind,), name="spare", daemon=True).start()

    def take(self) -> Started | None:
        """The one that waits, if there is one. It is the caller's now."""
        with self._changed:
            taken, self.waiting = self.waiting, None
        self._taken.set()
        if taken is not None and not taken.alive():  # memory ran out, or a person killed it
            taken.discard()
            return None
        return taken

    def give_back(self, started: Started) -> None:
        """Its claim id was used for nothing: it may wait on."""
        with self._changed:
            if not self._closed and self.waiting is None:
                self.waiting = started
                return
        started.discard()

    def close(self) -> None:
        """None waits from now on."""
        with self._changed:
            self._closed = True
            left, self.waiting = self.waiting, None
        self._taken.set()
        if left is not None:
            left.discard()

    def _start_them(self, kind: Kind) -> None:
        never = threading.Event()
        while not never.wait(LATER) and not self._closed:
            self._taken.clear()
            if self.waiting is None:
                self._start_one(kind)
            self._taken.wait()
        never.wait()  # what it started may be at work still

    def _start_one(self, kind: Kind) -> None:
        try:
            self.give_back(start(str(uuid.uuid4()), kind))
        except HostError as error:  # the next task starts its own, or says why it cannot
            _log.warning("no process waits for work", code=error.code, detail=error.message)
        except Exception:  # noqa: BLE001  # with this thread the kernel would end all that it has started
            _log.exception("no process waits for work", code="bug")
