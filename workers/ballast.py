"""Disk space that is held in reserve, so that the endings of what runs can be written down on a full disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Ballast:
    """A file of `size` bytes that is there for nothing but to be thrown away."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size

    def take(self) -> bool:
        """Hold the space, if it is not held already. False when the disk has none."""
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.posix_fallocate(handle, 0, self._size)
            finally:
                os.close(handle)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            self.drop()
            return False
        return True

    def drop(self) -> None:
        """Give the space to whoever needs it now."""
        self._path.unlink(missing_ok=True)
