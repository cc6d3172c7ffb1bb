"""Free blocks in a row that small files take one after another, without asking the library for each."""

from __future__ import annotations

import ctypes as c
from typing import Final

from workers.imaging import libext2fs as e2

MOST: Final = 256  # blocks of one file; more are better placed by the library
_RUN: Final = 8192
_TRIES: Final = 4


class BlockRun:
    """While it holds blocks, the library takes them for used: `give_back` before it allocates by itself."""

    def __init__(self, fs: c.c_void_p) -> None:
        self._fs, self._lib = fs, e2.lib()
        self._next = self._end = 0

    def take(self, count: int) -> int | None:
        """The first of `count` blocks in a row; None if there are not so many together."""
        if self._end - self._next < count and not self._find(count):
            return None
        first = self._next
        self._next += count
        return first

    def give_back(self) -> None:
        """What nobody took is free again."""
        if self._next < self._end:
            self._lib.ext2fs_block_alloc_stats_range(self._fs, self._next, self._end - self._next, -1)
            self._end = self._next

    def _find(self, count: int) -> bool:
        """The next free blocks that are enough; where they are scattered, the library may find them."""
        self.give_back()
        for _ in range(_TRIES):
            found = self._search()
            if found >= count:
                self._end = self._next + found
                self._lib.ext2fs_block_alloc_stats_range(self._fs, self._next, found, 1)
                return True
            self._next = self._end = self._next + found
        return False

    def _search(self) -> int:
        """How many blocks are free from `_next`, which moves to the first of them."""
        first, found = c.c_uint64(), c.c_uint64()
        code = self._lib.ext2fs_new_range(self._fs, 0, self._next, _RUN, None, c.byref(first), c.byref(found))
        if code == e2.NO_BLOCK:
            return 0
        e2.check("free blocks cannot be found", code)
        self._next = self._end = first.value
        return found.value
