"""Waiting for the wish to end."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

ENDING = (signal.SIGTERM, signal.SIGINT)


class _Signaled(BaseException):
    """A signal arrived. Raised, not flagged: a flag could be set just before the pause begins."""


def wait_for_signal() -> None:
    """Sleep in the main thread until SIGTERM or SIGINT. Later ones do nothing, until asked for again."""

    def wake(_number: int, _frame: FrameType | None) -> NoReturn:
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)
        raise _Signaled

    try:
        for number in ENDING:
            signal.signal(number, wake)
        while True:
            signal.pause()
    except _Signaled:
        return
