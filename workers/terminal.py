"""A report for people: a progress bar per step at a terminal, one plain line per step elsewhere."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Final, Self

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from workers.contract import Step
from workers.errors import Canceled

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class TerminalReport:
    """`with TerminalReport("card 1") as report:` shows on stderr where the steps are.

    Ctrl-C or SIGTERM inside makes `check()` raise `Canceled`, so that work ends cleanly; the second
    one acts as it would have without us.
    """

    def __init__(self, title: str, *, console: Console | None = None) -> None:
        self.title = title
        self._console = console or Console(stderr=True)
        self._bars = bars(self._console) if self._console.is_terminal else None
        self._bar: TaskID | None = None
        self._canceled = threading.Event()
        self._handlers: dict[signal.Signals, Any] = {}

    def step(self, step: Step, total: int | None = None) -> None:
        words = step.value.replace("_", " ")
        if self._bars is None:
            size = f" ({decimal(total)})" if total else ""
            self._say(f"{self.title}: {words}{size}")
            return
        self._end_bar()
        self._bar = self._bars.add_task(f"{self.title}: {words}", total=total)

    def progress(self, done: int) -> None:
        if self._bars is not None and self._bar is not None:
            self._bars.update(self._bar, completed=done)

    def log(self, line: str) -> None:
        self._say(line)

    def check(self) -> None:
        if self._canceled.is_set():
            raise Canceled("canceled by the person at the terminal")

    def cancel(self) -> None:
        """Ask the work to stop at its next check."""
        self._canceled.set()

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _end_bar(self) -> None:
        """The step is over: its bar says so, also where its total was not known before."""
        if self._bars is None or self._bar is None:
            return
        task = next(each for each in self._bars.tasks if each.id == self._bar)
        done = task.total if task.total is not None else max(task.completed, 1)
        self._bars.update(self._bar, total=done, completed=done)
        self._bar = None

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._canceled.set()
        self._restore()

    def _restore(self) -> None:
        while self._handlers:
            signal.signal(*self._handlers.popitem())

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _STOP_SIGNALS:
                self._handlers[number] = signal.signal(number, self._on_signal) or signal.SIG_DFL
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()
        if self._bars is not None:
            if error is None:
                self._end_bar()
            self._bars.stop()


def bars(console: Console, *, finished: str = "✓") -> Progress:
    """Bars with bytes, rate and remaining time; `finished` stands where the spinner was."""
    return Progress(
        SpinnerColumn(finished_text=finished),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        console=console,
    )
