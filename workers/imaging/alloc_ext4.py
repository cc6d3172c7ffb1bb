"""Which bytes of an ext2/3/4 file system are in use: its block bitmaps, read without mounting."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from workers.imaging.ranges import Range

Pread = Callable[[int, int], bytes]  # (length, offset) → bytes, as `os.pread` without its descriptor

_MAGIC: Final = 0xEF53
_BLOCK_UNINIT: Final = 0x2
_COMPAT_SPARSE_SUPER2: Final = 0x200
_INCOMPAT_JOURNAL_DEVICE: Final = 0x8
_INCOMPAT_META_GROUPS: Final = 0x10
_INCOMPAT_64BIT: Final = 0x80
_RO_SPARSE_SUPER: Final = 0x1
_RO_BIGALLOC: Final = 0x200
_RO_CHECKSUMS: Final = 0x10 | 0x400  # only with one of these the group flags mean anything
_ONES: Final = re.compile("1+")


@dataclass(frozen=True, slots=True)
class _Super:
    """What the walk needs of a superblock; sizes in blocks, but `block` in bytes."""

    block: int
    blocks: int
    first: int
    per_group: int
    inode_table: int
    descriptor: int
    wide: bool
    flags: bool
    reserved_gdt: int
    sparse: bool
    backups: tuple[int, int] | None

    @property
    def groups(self) -> int:
        return -(-(self.blocks - self.first) // self.per_group)

    @property
    def head(self) -> int:
        """Blocks of a superblock copy with its group descriptors, reserved ones too."""
        return 1 + -(-self.groups * self.descriptor // self.block) + self.reserved_gdt

    def has_super(self, group: int) -> bool:
        if group == 0 or not (self.sparse or self.backups):
            return True
        if self.backups:
            return group in self.backups
        return any(_is_power(group, base) for base in (3, 5, 7))  # 1 is a power of each


@dataclass(frozen=True, slots=True)
class _Group:
    """Where a block group's metadata lies (blocks), and whether its bitmap was never written."""

    bitmap: int
    inode_bitmap: int
    inode_table: int
    uninit: bool


def is_ext(pread: Pread, start: int) -> bool:
    """Whether an ext superblock is where one would be."""
    return pread(2, start + 1024 + 56) == struct.pack("<H", _MAGIC)


def used(pread: Pread, start: int, length: int) -> tuple[list[Range], int] | None:
    """Ranges in use, and where the file system ends; offsets of the image.

    None if this is no ext file system, or one whose maps we cannot read (external journal,
    meta groups, bigalloc, contradicting numbers): then the whole partition has to count as used.
    """
    found = _superblock(pread(1024, start + 1024)) if is_ext(pread, start) else None
    if found is None or found.blocks * found.block > length:
        return None
    groups = _groups(pread, start, found)
    if any(max(each.bitmap, each.inode_bitmap, each.inode_table) >= found.blocks for each in groups):
        return None
    ranges = [
        Range(start + first * found.block, (last - first) * found.block)
        for first, last in _used_blocks(pread, start, found, groups)
    ]
    return [Range(start, found.block * (found.first + 1)), *ranges], start + found.blocks * found.block


def _superblock(raw: bytes) -> _Super | None:
    if len(raw) < 1024:
        return None

    def u32(at: int) -> int:
        return int(struct.unpack_from("<I", raw, at)[0])

    def u16(at: int) -> int:
        return int(struct.unpack_from("<H", raw, at)[0])

    compat, incompat, ro = u32(92), u32(96), u32(100)
    if u32(24) > 6 or incompat & (_INCOMPAT_JOURNAL_DEVICE | _INCOMPAT_META_GROUPS) or ro & _RO_BIGALLOC:
        return None
    block = 1024 << u32(24)
    wide = bool(incompat & _INCOMPAT_64BIT)
    found = _Super(
        block=block,
        blocks=u32(4) | (u32(0x150) << 32 if wide else 0),
        first=u32(20),
        per_group=u32(32),
        inode_table=-(-u32(40) * (u16(88) or 128) // block),
        descriptor=u16(254) if wide else 32,
        wide=wide,
        flags=bool(ro & _RO_CHECKSUMS),
        reserved_gdt=u16(206),
        sparse=bool(ro & _RO_SPARSE_SUPER),
        backups=(u32(0x24C), u32(0x250)) if compat & _COMPAT_SPARSE_SUPER2 else None,
    )
    sane = found.first < found.blocks and 0 < found.per_group <= 8 * block
    return found if sane and (not wide or 64 <= found.descriptor <= 1024) else None


def _used_blocks(pread: Pread, start: int, fs: _Super, groups: list[_Group]) -> Iterator[tuple[int, int]]:
    """Spans of blocks in use, not merged: bitmaps, and the metadata of groups without one."""
    for number, group in enumerate(groups):
        base = fs.first + number * fs.per_group
        count = min(fs.per_group, fs.blocks - base)
        if not group.uninit:
            yield from _marked(pread(-(-count // 8), start + group.bitmap * fs.block), base, count)
            continue
        if fs.has_super(number):
            yield base, base + fs.head
        yield group.bitmap, group.bitmap + 1
        yield group.inode_bitmap, group.inode_bitmap + 1
        yield group.inode_table, group.inode_table + fs.inode_table


def _marked(bitmap: bytes, base: int, count: int) -> Iterator[tuple[int, int]]:
    bits = f"{int.from_bytes(bitmap, 'little'):0{count}b}"[::-1][:count]
    for run in _ONES.finditer(bits):
        yield base + run.start(), base + run.end()


def _groups(pread: Pread, start: int, fs: _Super) -> list[_Group]:
    table = pread(fs.groups * fs.descriptor, start + (fs.first + 1) * fs.block)
    return [_group(table, number * fs.descriptor, fs) for number in range(fs.groups)]


def _group(table: bytes, at: int, fs: _Super) -> _Group:
    low = struct.unpack_from("<III", table, at)
    high = struct.unpack_from("<III", table, at + 32) if fs.wide else (0, 0, 0)
    flags = struct.unpack_from("<H", table, at + 18)[0] if fs.flags else 0
    bitmap, inode_bitmap, inode_table = (below | top << 32 for below, top in zip(low, high, strict=True))
    return _Group(bitmap, inode_bitmap, inode_table, bool(flags & _BLOCK_UNINIT))


def _is_power(number: int, base: int) -> bool:
    while number > 1 and number % base == 0:
        number //= base
    return number == 1
