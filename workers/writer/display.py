"""Several cards at once on a terminal: a line with a bar for each; plain lines where there is no terminal."""

from __future__ import annotations

import json
import threading
from typing import Any, Final, Self

from rich.console import Console
from rich.progress import Progress, TaskID

from workers.imaging.sizes import readable
from workers.terminal import bars

_WORDS: Final = {"wiping": "wiping", "writing": "writing", "reading_back": "reading back"}


class Display:
    """Thread-safe; `with` it. Titles are the cards' devices."""

    def __init__(self, titles: list[str], *, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._lock = threading.Lock()
        self._bars: Progress | None = None
        self._lines: dict[str, TaskID] = {}
        if self._console.is_terminal:
            self._bars = bars(self._console, finished=" ")
            self._lines = {title: self._bars.add_task(f"{title}: waiting", total=None) for title in titles}

    def step(self, title: str, step: str, total: int | None) -> None:
        words = _WORDS.get(step, step)
        if self._bars is None:
            self.say(f"{title}: {words}" + (f" {readable(total)}" if total else ""))
        else:
            with self._lock:
                self._bars.reset(self._lines[title], total=total, description=f"{title}: {words}")

    def progress(self, title: str, done: int) -> None:
        if self._bars is not None:
            self._bars.update(self._lines[title], completed=done)

    def ended(self, title: str, words: str) -> None:
        """The last word on a card."""
        if self._bars is None:
            self.say(f"{title}: {words}")
            return
        with self._lock:
            line = self._bars.tasks[self._lines[title]]
            total = line.total or 1
            self._bars.update(line.id, description=f"{title}: {words}", total=total, completed=total)

    def say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._bars is not None:
            self._bars.stop()


class Lines(Display):
    """The same for programs: each event a JSON line on stderr, whatever that is."""

    def __init__(self, titles: list[str], *, console: Console | None = None) -> None:
        super().__init__(titles, console=console)
        self._bars = None

    def step(self, title: str, step: str, total: int | None) -> None:
        self._event(device=title, step=step, total=total)

    def progress(self, title: str, done: int) -> None:
        self._event(device=title, done=done)

    def ended(self, title: str, words: str) -> None:
        self._event(device=title, ended=words)

    def say(self, line: str) -> None:
        self._event(log=line)

    def _event(self, **facts: Any) -> None:
        with self._lock:
            self._console.file.write(json.dumps(facts) + "\n")
            self._console.file.flush()
