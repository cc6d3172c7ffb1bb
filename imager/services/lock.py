"""Locks that end with the processes that hold them, however they end."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from imager.services.errors import NotOurs

PAUSE = 0.02


def acquire(path: Path, *, patience: float) -> int | None:
    """A descriptor that holds the lock on `path`; None if somebody else has it for all of `patience` seconds.

    The lock belongs to the open file: children that inherit the descriptor hold it too.
    """
    descriptor = _open(path, os.O_RDWR | os.O_CREAT)
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                return None
            time.sleep(PAUSE)
        else:
            return descriptor


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock on `path` now."""
    try:
        descriptor = _open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def _open(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_CLOEXEC, 0o600)
    except PermissionError as error:
        raise NotOurs(path) from error
