"""How a step tells where it is. Steps know this protocol, not who listens."""

from __future__ import annotations

import threading
from typing import Protocol

from workers.contract import Step
from workers.errors import Canceled


class Report(Protocol):
    """What a step function `(job, report) -> result` may call. Thread-safe, cheap (call it per buffer)."""

    def step(self, step: Step, total: int | None = None) -> None:
        """A new step begins; `total` bytes are ahead of it, if known."""

    def progress(self, done: int) -> None:
        """`done` bytes of this step are behind us."""

    def log(self, line: str) -> None:
        """One line for the attempt's log. Never holds a secret."""

    def check(self) -> None:
        """Raise `Canceled` if somebody asked to stop. Call it between buffers."""


class Recorder:
    """A report that remembers everything: the double of the tests, and the base of the others."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.total: int | None = None
        self.done = 0
        self.lines: list[str] = []
        self.canceled = threading.Event()

    def step(self, step: Step, total: int | None = None) -> None:
        self.steps.append(step)
        self.total = total
        self.done = 0

    def progress(self, done: int) -> None:
        self.done = done

    def log(self, line: str) -> None:
        self.lines.append(line)

    def check(self) -> None:
        if self.canceled.is_set():
            raise Canceled
