"""A card: something of a fixed size that is written and read in whole blocks, past all caches."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol, Self

from workers.errors import HostError, SlotError
from workers.imaging.devices import device_number
from workers.imaging.sysfs import Disk
from workers.writer import ioctls
from workers.writer.identity import Identity, file_identity, opened_identity

FILE_BLOCK: Final = 4096
_FLAGS: Final = os.O_NOFOLLOW | os.O_CLOEXEC
_UDEV_PATIENCE: Final = 5.0  # seconds; udev holds its own lock while it probes a fresh card
_SAMPLES: Final = 64
_HUGE: Final = 2 * 1024 * 1024


class Card(Protocol):
    """Offsets and lengths are multiples of `block`; buffers come from `aligned()`.

    Calls raise plain `OSError`, and may move fewer bytes than asked: `transfer` makes sense of both.
    """

    @property
    def name(self) -> str: ...
    @property
    def block(self) -> int: ...
    def size(self) -> int: ...
    def identity(self) -> Identity: ...
    def present(self) -> bool:
        """Whether it is still there and still the same insertion."""

    def write(self, data: memoryview, offset: int) -> int: ...
    def read_into(self, buffer: memoryview, offset: int) -> int: ...
    def discard(self, offset: int, length: int) -> None:
        """Give these bytes up: the card may erase them, or not. OSError where there is no such thing."""

    def flush(self) -> None:
        """Return once everything written has reached the card. An error is told once: never try again."""

    def drop_caches(self) -> None:
        """Make sure that the next read comes from the card."""

    def close(self) -> None: ...


def aligned(size: int) -> memoryview:
    """A zeroed buffer that direct I/O accepts; a large one in huge pages, which the kernel pins faster."""
    buffer = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if size >= _HUGE:
        with contextlib.suppress(OSError):  # a kernel without huge pages
            buffer.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(buffer)


class Stalled(SlotError):
    """A call to the card does not come back. Card and locks stay taken: it may still reach the card."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(
            "stalled",
            f"The reader of {name} has not answered for {seconds:.0f} s; unplug the reader, plug it in again "
            "and try another card. If that one stalls as well, replace the reader.",
        )


class _Opened:
    """A file descriptor with direct I/O; or, where the file system knows none, synchronous and uncached."""

    block = FILE_BLOCK

    def __init__(self, handle: int, identity: Identity, *, direct: bool) -> None:
        self._handle = handle
        self._identity = identity
        self._direct = direct
        self._locks: list[int] = []

    @property
    def name(self) -> str:
        return self._identity.node

    def size(self) -> int:
        return self._identity.size

    def identity(self) -> Identity:
        return self._identity

    def read_into(self, buffer: memoryview, offset: int) -> int:
        try:
            return os.preadv(self._handle, [buffer], offset)
        except OSError as error:
            self._do_without_direct(error)
            return os.preadv(self._handle, [buffer], offset)

    def _write(self, data: memoryview, offset: int) -> int:
        if self._direct:
            try:
                return os.pwrite(self._handle, data, offset)
            except OSError as error:
                self._do_without_direct(error)
        return os.pwritev(self._handle, [data], offset, os.RWF_DSYNC)

    def _do_without_direct(self, refusal: OSError) -> None:
        """Some devices accept O_DIRECT when they are opened, and refuse it with the first transfer."""
        if refusal.errno != errno.EINVAL or not self._direct:
            raise refusal
        flags = fcntl.fcntl(self._handle, fcntl.F_GETFL)
        fcntl.fcntl(self._handle, fcntl.F_SETFL, flags & ~os.O_DIRECT)
        self._direct = False

    def discard(self, offset: int, length: int) -> None:
        ioctls.discard(self._handle, offset, length)

    def flush(self) -> None:
        os.fsync(self._handle)

    def reopen(self, opening: Callable[[], _Opened]) -> None:
        """Let the device go and take what `opening` gives; our locks stay. No call may be under way."""
        self.let_go()
        self._handle, self._identity, self._direct, self.block = opening().surrender()

    def let_go(self) -> None:
        """Close the device; our locks stay. A node that is held serves no other insertion."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def surrender(self) -> tuple[int, Identity, bool, int]:
        """Descriptor, identity, whether it is direct, block size; we are closed."""
        handle, self._handle = self._handle, -1
        self.close()
        return handle, self._identity, self._direct, self.block

    def close_with(self, lock: int) -> None:
        """Free this lock when the card is closed, not earlier."""
        self._locks.append(lock)

    def close(self) -> None:
        self.let_go()
        while self._locks:
            os.close(self._locks.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if not isinstance(error, Stalled):
            self.close()

    def _refuse_cached(self) -> None:
        """Without direct I/O a read-back proves nothing unless the pages are really gone."""
        if self._direct:
            return
        step = max(FILE_BLOCK, self.size() // _SAMPLES // FILE_BLOCK * FILE_BLOCK)
        if any(ioctls.is_cached(self._handle, offset) for offset in range(0, self.size(), step)):
            raise HostError(
                "cache_not_dropped",
                f"{self.name} knows no direct I/O and its pages stay in memory, so reading back would prove "
                "nothing; use a device or a file system with O_DIRECT.",
            )


class BlockCard(_Opened):
    """A card in a reader, or a loop device. Opened exclusively, never created; locked as udev expects it."""

    @classmethod
    def open(cls, disk: Disk, *, writable: bool = True) -> BlockCard:
        """OSError as the kernel gives it; SlotError `card_changed` if the node is not this disk any more."""
        mode = os.O_RDWR | os.O_EXCL if writable else os.O_RDONLY
        handle, direct = _open_direct(disk.node, mode)
        try:
            _must_be_node_of(disk, handle)
            if writable:
                _lock(handle, disk.node, _UDEV_PATIENCE)
            return cls(handle, opened_identity(disk, handle), direct=direct)
        except BaseException:
            os.close(handle)
            raise

    def __init__(self, handle: int, identity: Identity, *, direct: bool) -> None:
        super().__init__(handle, identity, direct=direct)
        self.block = ioctls.block_size(handle)

    def present(self) -> bool:
        try:  # the medium first: asking for it brings the others up to date
            now = (ioctls.has_medium(self.name), *ioctls.insertion(self._handle))
        except (OSError, ValueError):  # ValueError: let go, and not opened again
            return False
        return now == (True, *self._identity.insertion) and Path(self._identity.place).exists()

    def is_read_only(self) -> bool:
        return ioctls.is_read_only(self._handle)

    def write(self, data: memoryview, offset: int) -> int:
        return self._write(data, offset)

    def drop_caches(self) -> None:
        ioctls.flush_buffers(self._handle)
        self._refuse_cached()


class FileCard(_Opened):
    """A regular file that stands for a card, in the demo and in tests. Never created, never resized."""

    @classmethod
    def open(cls, path: str, *, writable: bool = True, direct: bool = True) -> FileCard:
        """A regular file; `direct=False` does without direct I/O, as on file systems that have none."""
        mode = os.O_RDWR if writable else os.O_RDONLY
        handle, is_direct = _open_direct(path, mode, direct=direct)
        try:
            identity = file_identity(path, handle)
            if writable:
                _lock(handle, path, 0)
            return cls(handle, identity, direct=is_direct)
        except BaseException:
            os.close(handle)
            raise

    def present(self) -> bool:
        try:
            facts = Path(self._identity.place).lstat()
            mine = os.fstat(self._handle)  # refused if it was let go, and not opened again
        except OSError:
            return False
        return (facts.st_dev, facts.st_ino, facts.st_size) == (mine.st_dev, mine.st_ino, self._identity.size)

    def write(self, data: memoryview, offset: int) -> int:
        if not self.present():
            raise OSError(errno.ENODEV, "the file was removed or replaced")
        if offset + len(data) > self.size():
            raise OSError(errno.ENOSPC, "beyond the end of the file")
        return self._write(data, offset)

    def drop_caches(self) -> None:
        os.posix_fadvise(self._handle, 0, 0, os.POSIX_FADV_DONTNEED)
        self._refuse_cached()


def _must_be_node_of(disk: Disk, handle: int) -> None:
    facts = os.fstat(handle)
    if not stat.S_ISBLK(facts.st_mode) or device_number(facts.st_rdev) != disk.number:
        raise SlotError(
            "card_changed",
            f"{disk.node} is not device {disk.number} any more, which was checked; insert the card again.",
        )


def _open_direct(path: str, mode: int, *, direct: bool = True) -> tuple[int, bool]:
    """(descriptor, whether I/O is direct). A file system may refuse at opening, or only at the first read."""
    if direct:
        try:
            handle = os.open(path, mode | _FLAGS | os.O_DIRECT)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        else:
            if _reads_directly(handle):
                return handle, True
            os.close(handle)
    return os.open(path, mode | _FLAGS | os.O_DSYNC), False


def _reads_directly(handle: int) -> bool:
    try:
        os.preadv(handle, [aligned(FILE_BLOCK)], 0)
    except OSError as error:
        return error.errno != errno.EINVAL
    return True


def _lock(handle: int, name: str, patience: float) -> None:
    give_up = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= give_up:
                raise SlotError(
                    "in_use", f"{name} is locked by another program; wait until that is done."
                ) from None
            time.sleep(0.05)
        else:
            return
