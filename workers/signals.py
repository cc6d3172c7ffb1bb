"""The wish to end, as a signal."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

ENDING = (signal.SIGTERM, signal.SIGINT)


class Signaled(BaseException):
    """A signal arrived. Raised, not flagged: a flag could be set just before a pause begins."""


def arm() -> None:
    """From now on SIGTERM or SIGINT raises `Signaled` in the main thread, once."""
    for number in ENDING:
        signal.signal(number, _wake)


def pause() -> NoReturn:
    """Sleep in the main thread until a signal ends it."""
    while True:
        signal.pause()


def _wake(_number: int, _frame: FrameType | None) -> NoReturn:
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    raise Signaled
