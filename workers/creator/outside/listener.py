"""What a builder says and does, as steps and progress of ours."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from workers.contract import Step
from workers.errors import HostError
from workers.imaging.sizes import exact
from workers.report import Report

LAST_LINES: Final = 8
LOOK_EVERY: Final = 1.0  # seconds between two looks at how the image grows
_CONTROL: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]|\ufffd")
_PERCENT: Final = re.compile(r"(?<![\d.])(\d{1,3})(?:\.\d+)? ?%")
# By what its lines begin with; the first that fits.
_PHASES: Final = (
    (re.compile(r"\W*(check|comput|apply|print)", re.IGNORECASE), Step.CHECKING),
    (re.compile(r"\W*(download|fetch|pull)", re.IGNORECASE), Step.FETCHING),
    (
        re.compile(r"\W*(resiz|mount|unmount|process|writ|detach|attach|extract)", re.IGNORECASE),
        Step.BUILDING,
    ),
)


class Listener:
    """Is given a builder's lines from one thread, and asked for steps and the last words from another."""

    def __init__(self, scrub: Callable[[str], str], report: Report) -> None:
        self.step = Step.CHECKING
        self.percent: int | None = None
        self._scrub = scrub
        self._report = report
        self._tail: deque[str] = deque(maxlen=LAST_LINES)

    def take(self, line: bytes) -> None:
        """One line of its output, whatever bytes these are."""
        text = self._scrub(_CONTROL.sub("", line.decode("utf-8", "replace"))).strip()
        if not text:
            return
        self._tail.append(text)
        self._report.log(text)
        for pattern, step in _PHASES:
            if pattern.match(text):
                if step is not self.step:
                    self.percent = None
                self.step = step
                break
        if (found := _PERCENT.search(text)) and int(found[1]) <= 100:
            self.percent = int(found[1])

    @property
    def last_words(self) -> str:
        """For people."""
        return "\n".join(self._tail) or "(it said nothing)"


class Gauge:
    """Tells the report where the builder is: by its words, else by the bytes of its files."""

    def __init__(self, listener: Listener, image: Path, folder: Path, limit: int, report: Report) -> None:
        self._listener = listener
        self._image = image
        self._folder = folder
        self._limit = limit
        self._report = report
        self._step: Step | None = None
        self._in_percent = False
        self._looked = 0.0

    def tick(self) -> None:
        """Canceled if somebody asked to stop; HostError `builder_too_large` of the image."""
        self._report.check()
        step, percent = self._listener.step, self._listener.percent
        in_percent = percent is not None
        if (step, in_percent) != (self._step, self._in_percent):
            self._step, self._in_percent = step, in_percent
            self._report.step(step, 100 if in_percent else None)
        if percent is not None:
            self._report.progress(percent)
        if time.monotonic() - self._looked >= LOOK_EVERY:
            self._looked = time.monotonic()
            check_size(self._image, self._limit)
            if not in_percent:
                self._report.progress(sum(map(_allocated, (self._image, *self._folder.iterdir()))))


def check_size(image: Path, limit: int) -> None:
    """HostError `builder_too_large` if the image has more than `limit` bytes."""
    size = image.stat().st_size if image.exists() else 0
    if size > limit:
        raise HostError(
            "builder_too_large",
            f"The builder made an image of {exact(size)}, {exact(limit)} are allowed: raise `output.size` of "
            "the recipe or IMAGER_MAX_IMAGE of this host, or build with CREATOR_BACKEND=builtin.",
        )


def _allocated(path: Path) -> int:
    try:
        return path.lstat().st_blocks * 512
    except FileNotFoundError:  # gone between two looks
        return 0
