"""Starting, part by part: a spinner while it lasts, a line with its time when it is done."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console

WIDTH = 44  # of a part's name, so that the times stand in a column


class Starting:
    """Call it with the part that begins; the one before is done then."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.status = console.status("")
        self.part = ""
        self.since = 0.0

    def __call__(self, part: str) -> None:
        self._done()
        self.part, self.since = part, time.monotonic()
        self.status.update(f"{part} …")

    def _done(self) -> None:
        if self.part:
            took = time.monotonic() - self.since
            self.console.print(f"  [green]✔[/green] {self.part:<{WIDTH}} [dim]{took:5.1f} s[/dim]")

    def __enter__(self) -> Self:
        self.status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._done()
        self.status.stop()
