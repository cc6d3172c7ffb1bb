"""Blocks that become part of a second file without a copy, where the file system can (XFS, Btrfs).

Both files have to lie on one file system. Whoever writes to a block later gets one of his own.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from typing import Final

BLOCK: Final = 4096  # what is cloned lies at multiples of it in both files
WORTH_IT: Final = 1 << 16  # bytes of a file; smaller ones are gathered and written faster
_FICLONERANGE: Final = 0x4020940D
_RANGE: Final = struct.Struct("=qQQQ")
_NO_CLONE: Final = {
    errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.ETXTBSY, errno.EPERM,
}  # fmt: skip


def can_clone(source: int, target: int) -> bool:
    """Whether the open file `target` can take blocks of `source`; nothing is changed."""
    end = os.fstat(source).st_size  # from there to the end there is nothing
    return _cloned(source, end, 0, target, 0)


def clone(source: int, at: int, length: int, target: int, to: int) -> bool:
    """`length` bytes from `at` of the open file `source` to byte `to` of `target`; False if it cannot be."""
    return length > 0 and _cloned(source, at, length, target, to)


def clone_whole(source: int, target: int) -> bool:
    """The same for all of the open file `source`, to the beginning of the empty file `target`."""
    return _cloned(source, 0, 0, target, 0)  # no length means: to its end


def _cloned(source: int, at: int, length: int, target: int, to: int) -> bool:
    try:
        fcntl.ioctl(target, _FICLONERANGE, _RANGE.pack(source, at, length, to))
    except OSError as error:
        if error.errno not in _NO_CLONE:
            raise
        return False
    return True
