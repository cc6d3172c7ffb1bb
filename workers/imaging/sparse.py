"""Which parts of a file hold data at all, so that holes need not be read."""

from __future__ import annotations

import errno
import os

from workers.imaging.ranges import Range


def data_ranges(fd: int, size: int) -> list[Range]:
    """The file's data, ascending; everything else reads as zeros. Moves the file's position.

    On a file system that cannot tell, one range over everything. A hole says nothing about
    what a file system *inside* the image uses: that is `allocation`.
    """
    found: list[Range] = []
    at = 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                break
            if error.errno in {errno.EINVAL, errno.EOPNOTSUPP}:
                return [Range(0, size)]
            raise
        at = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        found.append(Range(start, at - start))
    return found
