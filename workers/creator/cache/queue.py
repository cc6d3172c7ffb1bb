"""One at a time per source: who wants what another build is fetching waits for it."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Final

from workers.report import Report

_NAP: Final = 0.1
_LONGEST: Final = 3600.0  # then it is fetched without the cache: better twice than never


class Turn:
    """`with Turn(…) as alone`: false if the other took too long. The kernel frees the turn of the dead."""

    def __init__(self, folder: Path, key: str, report: Report, *, longest: float = _LONGEST) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path, self._report, self._longest = folder / key, report, longest

    def __enter__(self) -> bool:
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            return self._wait()
        except BaseException:
            os.close(self._fd)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        os.close(self._fd)

    def _wait(self) -> bool:
        end, told = time.monotonic() + self._longest, False
        while not self._take():
            if not told:
                self._report.log("another build is fetching the same content; waiting for it")
                told = True
            self._report.check()
            if time.monotonic() >= end:
                return False
            time.sleep(_NAP)
        return True

    def _take(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
