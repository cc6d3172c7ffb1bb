"""Locks that the kernel frees when their holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workers.errors import HostError


@contextmanager
def held(path: Path, *, patience: float, busy: str) -> Iterator[None]:
    """Hold the lock `path` while inside; after `patience` seconds of waiting, HostError `busy`."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _wait(lock, patience, busy)
        yield
    finally:
        os.close(lock)


def _wait(lock: int, patience: float, busy: str) -> None:
    give_up = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= give_up:
                raise HostError("locked", busy) from None
            time.sleep(0.02)
        else:
            return


def is_held(path: Path) -> bool:
    """Does some process hold the lock now?"""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
