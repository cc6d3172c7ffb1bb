"""The questions that only the kernel's block layer answers; numbers as in `linux/fs.h`."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from typing import Final

_GET_SIZE: Final = 0x80081272  # BLKGETSIZE64
_GET_BLOCK: Final = 0x1268  # BLKSSZGET
_GET_READ_ONLY: Final = 0x125E  # BLKROGET
_FLUSH_BUFFERS: Final = 0x1261  # BLKFLSBUF
_DISCARD: Final = 0x1277  # BLKDISCARD
_GET_DISKSEQ: Final = 0x80081280  # BLKGETDISKSEQ, Linux 5.15
_GET_GENERATION: Final = 0x80087601  # FS_IOC_GETVERSION
_UNKNOWN: Final = (errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)
_NOTHING: Final = (errno.ENOMEDIUM, errno.ENXIO, errno.ENODEV, errno.ENOENT)
_FORBIDDEN: Final = (errno.EACCES, errno.EPERM)


def device_size(handle: int) -> int:
    """Bytes of a block device; 0 once its card is gone."""
    return _long(handle, _GET_SIZE)


def has_medium(path: str) -> bool:
    """Whether there is a card in a reader; what cannot be told counts as yes.

    Size and `diskseq` stay as they were when a card is pulled out of its reader. Opening makes the kernel ask
    the reader, and bring both up to date.
    """
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))
    except OSError as error:
        return error.errno not in _NOTHING
    return True


def block_size(handle: int) -> int:
    """The smallest unit that the device reads or writes."""
    return _int(handle, _GET_BLOCK)


def is_read_only(handle: int) -> bool:
    return _int(handle, _GET_READ_ONLY) != 0


def diskseq(handle: int) -> int | None:
    """The kernel's number of this insertion; None where the kernel has none."""
    try:
        return _long(handle, _GET_DISKSEQ)
    except OSError as error:
        if error.errno in _UNKNOWN:
            return None
        raise


def insertion(handle: int) -> tuple[int, int | None]:
    """Size and number: as long as both stay, so does the card."""
    return device_size(handle), diskseq(handle)


def file_generation(handle: int) -> int:
    """What tells a file from its successor with the same inode number; 0 where the file system has none."""
    try:
        return _int(handle, _GET_GENERATION) & 0xFFFFFFFF
    except OSError as error:
        if error.errno in _UNKNOWN:
            return 0
        raise


def flush_buffers(handle: int) -> None:
    """Write out and forget all cached pages of a block device, as far as we may (it takes CAP_SYS_ADMIN)."""
    try:
        fcntl.ioctl(handle, _FLUSH_BUFFERS)
    except OSError as error:
        if error.errno not in (*_FORBIDDEN, *_UNKNOWN):
            raise
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)


def discard(handle: int, offset: int, length: int) -> None:
    """Tell the device that nobody needs these bytes any more. What they read as afterwards, nobody knows."""
    fcntl.ioctl(handle, _DISCARD, struct.pack("=QQ", offset, length))


def is_cached(handle: int, offset: int) -> bool:
    """A read that may not wait succeeds only from memory; file systems without such reads cannot tell."""
    try:
        return os.preadv(handle, [bytearray(1)], offset, os.RWF_NOWAIT) > 0
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return False
        raise


def _long(handle: int, request: int) -> int:
    return int(struct.unpack("=Q", fcntl.ioctl(handle, request, bytes(8)))[0])


def _int(handle: int, request: int) -> int:
    return int(struct.unpack("=i", fcntl.ioctl(handle, request, bytes(8))[:4])[0])
