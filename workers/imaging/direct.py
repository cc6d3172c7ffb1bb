"""Large files read past the page cache, into memory that is used again."""

from __future__ import annotations

import errno
import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, Self

from workers.errors import HostError

ALIGNED: Final = 4096  # what every disk takes directly
NO_DIRECT: Final = {errno.EINVAL, errno.EOPNOTSUPP}


def open_direct(path: Path, flags: int) -> int | None:
    """The file, past the page cache; None where the file system cannot do that."""
    try:
        return os.open(path, flags | os.O_CLOEXEC | os.O_DIRECT)
    except OSError as error:
        if error.errno in NO_DIRECT:
            return None
        raise


def new_buffer(size: int) -> mmap.mmap:
    """Memory for direct reading and writing, in large pages where the kernel has them."""
    buffer = mmap.mmap(-1, size)
    buffer.madvise(mmap.MADV_HUGEPAGE)
    return buffer


class Buffer(NamedTuple):
    """What was read. `release` it once it is not needed any more; then other bytes come there."""

    view: memoryview
    memory: mmap.mmap
    reader: DirectReader

    def release(self) -> None:
        self.view.release()
        self.reader.take_back(self.memory)


class DirectReader:
    """An open file that nobody changes. Several threads may read at once, `most` bytes each."""

    def __init__(self, path: Path, *, most: int) -> None:
        self._most = most
        self._name = path.name
        self._free: list[mmap.mmap] = []
        self._lock = threading.Lock()
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self.fd).st_size
        self._direct = open_direct(path, os.O_RDONLY)

    @classmethod
    @contextmanager
    def open(cls, path: Path, *, most: int) -> Iterator[Self]:
        reader = cls(path, most=most)
        try:
            yield reader
        finally:
            reader.close()

    def close(self) -> None:
        for fd in (self.fd, self._direct):
            if fd is not None:
                os.close(fd)
        self.fd, self._direct = -1, None

    def read(self, offset: int, length: int) -> Buffer:
        """`length` bytes from `offset`; HostError `image_changed` if they are not there."""
        with self._lock:
            memory = self._free.pop() if self._free else None
        memory = memory or new_buffer(self._most)
        view = memoryview(memory)[:length]
        done = 0
        while done < length:
            got = os.preadv(self._fd_for(offset + done, length - done), [view[done:]], offset + done)
            if not got:
                raise HostError(
                    "image_changed",
                    f"{self._name} shrank below byte {offset + length} while it was read; build it again",
                )
            done += got
        return Buffer(view, memory, self)

    def take_back(self, memory: mmap.mmap) -> None:
        with self._lock:
            self._free.append(memory)

    def _fd_for(self, offset: int, length: int) -> int:
        aligned = not (offset % ALIGNED or length % ALIGNED)
        return self._direct if aligned and self._direct is not None else self.fd
