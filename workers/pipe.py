"""The report of a child process: JSON lines to the parent, which paces and sends them on."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from workers.contract import Step, Trouble
from workers.errors import Canceled

_EVERY = 0.2  # seconds between two lines of progress


class PipeReport:
    """A `Report` that writes to an inherited file descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._asked_to_stop = False
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._next = 0.0
        self._scrub: Callable[[str], str] = str

    def mask(self, scrub: Callable[[str], str]) -> None:
        """From now on no text leaves this process but through `scrub`."""
        self._scrub = scrub

    def step(self, step: Step, total: int | None = None) -> None:
        self._send({"step": step, "total": total})
        self._next = 0.0

    def progress(self, done: int) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _EVERY
            self._send({"done": done})

    def log(self, line: str) -> None:
        self._send({"log": self._scrub(line)})

    def check(self) -> None:
        if self._asked_to_stop:
            raise Canceled

    def cancel(self) -> None:
        """Make the next `check` raise. A plain flag, because a signal handler sets it."""
        self._asked_to_stop = True

    def result(self, result: dict[str, Any]) -> None:
        """The work is done."""
        self._send({"result": result})

    def trouble(self, trouble: Trouble) -> None:
        """The work failed."""
        self._send({"trouble": {**trouble, "message": self._scrub(trouble["message"])}})

    def canceled(self) -> None:
        """The work stopped because it was asked to."""
        self._send({"canceled": True})

    def _send(self, event: dict[str, Any]) -> None:
        line = json.dumps(event).encode() + b"\n"
        with self._lock:
            while line:
                line = line[os.write(self._descriptor, line) :]
