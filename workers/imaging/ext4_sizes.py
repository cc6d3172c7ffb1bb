"""How large an ext4 must be for given files: the arithmetic of `ext4_tools.make_ext4` in advance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from workers.imaging.ext4_tools import BLOCK, BYTES_PER_INODE, INODE, SMALLEST, journal_size

_GROUP: Final = 8 * BLOCK  # blocks of a group: one bitmap block's bits
_EXTENT: Final = 32768  # blocks that one extent can hold
_EXTENTS_INLINE, _EXTENTS_PER_BLOCK = 4, (BLOCK - 16) // 12
_PER_INDEX_BLOCK: Final = 500
_DESCRIPTOR: Final = 64
_RESERVED_INODES: Final = 11
_LOST_AND_FOUND: Final = 5  # blocks, with the root folder's
_SMALLEST_LAST_GROUP: Final = 50  # blocks beyond its own tables; mke2fs leaves a smaller one away
_GRAIN: Final = 1 << 20


@dataclass(frozen=True)
class Load:
    """What a file system has to hold: blocks of data and folders, and inodes."""

    blocks: int
    inodes: int

    @classmethod
    def of(cls, files: Iterable[tuple[str, int]]) -> Load:
        """Of files given as (path, bytes); folders follow from the paths."""
        blocks = inodes = 0
        folders: Counter[str] = Counter()
        for path, size in files:
            blocks += file_blocks(size)
            inodes += 1
            names = [part for part in path.split("/") if part]
            folders["/".join(names[:-1])] += _entry(names[-1])
            for depth in range(len(names) - 1, 0, -1):
                above = "/".join(names[:depth])
                folders.setdefault(above, 0)
        for path in [each for each in folders if each]:
            above, _, name = path.rpartition("/")
            folders[above] += _entry(name)
        blocks += sum(_folder_blocks(used) for used in folders.values())
        return cls(blocks, inodes + len(folders))

    def with_room(self, percent: int) -> Load:
        """The same with room to grow."""
        return Load(self.blocks + self.blocks * percent // 100, self.inodes + self.inodes * percent // 100)


def _folder_blocks(used: int) -> int:
    """Blocks of a folder whose entries take `used` bytes, with those of its index."""
    leaves = _parts(used, BLOCK - 12 - 8 - 255) + 1  # a name that does not fit moves to the next block
    return leaves if leaves == 1 else leaves + 1 + _parts(leaves, _PER_INDEX_BLOCK)


def file_blocks(size: int) -> int:
    """Blocks of one file, with those of its tree of extents."""
    blocks = _parts(size, BLOCK)
    extents = 2 * _parts(blocks, _EXTENT) + 2
    return blocks + (0 if extents <= _EXTENTS_INLINE else _parts(extents, _EXTENTS_PER_BLOCK) + 1)


def inodes_for(size: int, load: Load) -> int:
    """Inodes to format with: one per 64 KiB, or more for many small files."""
    return max(size // BYTES_PER_INODE, load.inodes + load.inodes // 8 + _RESERVED_INODES + 16)


def free_blocks(size: int, inodes: int) -> int:
    """Blocks that a new file system of `size` bytes has free at least."""
    blocks = size // BLOCK
    groups = _parts(blocks, _GROUP)
    per_group = _parts(_parts(inodes, groups), 16) * 16
    tables = groups * (_parts(per_group * INODE, BLOCK) + 2)
    descriptors = 1 + _parts(groups * _DESCRIPTOR, BLOCK)
    last = blocks % _GROUP
    own = per_group * INODE // BLOCK + 2 + descriptors
    lost = last if last < own + _SMALLEST_LAST_GROUP else 0
    used = tables + _superblocks(groups) * descriptors + journal_size(size) // BLOCK + _LOST_AND_FOUND
    return blocks - used - lost


def smallest_size(load: Load) -> int:
    """Bytes, in whole MiB, of the smallest file system that can hold `load`."""
    size = max(SMALLEST, _parts(load.blocks * BLOCK, _GRAIN) * _GRAIN)
    while (missing := load.blocks - free_blocks(size, inodes_for(size, load))) > 0:
        size += _parts(missing * BLOCK, _GRAIN) * _GRAIN
    return size


def _parts(whole: int, part: int) -> int:
    """How many parts hold the whole."""
    return -(-whole // part)


def _entry(name: str) -> int:
    return 8 + -(-len(name.encode("utf-8", "surrogateescape")) // 4) * 4


def _superblocks(groups: int) -> int:
    """Groups with a copy of the superblock: 0, 1 and the powers of 3, 5 and 7."""
    found = {0, 1}
    for base in (3, 5, 7):
        power = base
        while power < groups:
            found.add(power)
            power *= base
    return sum(1 for group in found if group < groups)
