"""Inodes as bytes: what we read of them, and how new ones are written."""

from __future__ import annotations

import stat
import struct
from dataclasses import dataclass
from typing import Final

from workers.imaging import libext2fs as e2

DELETED: Final = 20  # offsets: the time of deletion, the count of links, the flags
LINKS: Final = 26
FLAGS: Final = 32
MOST_LINKS: Final = 65000
_EXTRA_SIZE: Final = 32
_EXTENTS_INLINE: Final = 4
_SECTOR: Final = 512
_TREE: Final = struct.Struct("<HHHHI")
_LEAF: Final = struct.Struct("<IHHI")
_WHOLE: Final = struct.Struct("<HHIIIIIHHIII60sIIIIHHHHIHHIIIII")


@dataclass(frozen=True, slots=True)
class Extent:
    """`count` blocks of `block` bytes from the `first` of the file system."""

    first: int
    count: int
    block: int


@dataclass(frozen=True)
class Owner:
    """Who owns a new file or folder, what they may do with it, and since when (seconds since 1970)."""

    mtime: int
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    nanoseconds: int = 0  # beyond mtime


@dataclass(frozen=True)
class Facts:
    """One inode: `mode` with its kind; times in seconds since 1970."""

    number: int
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int
    flags: int
    block: bytes  # the 60 bytes that hold a short link's target or the root of the extents
    links: int = 1
    nanoseconds: int = 0

    @property
    def permissions(self) -> int:
        return stat.S_IMODE(self.mode)

    @property
    def owner(self) -> Owner:
        """To give the same to another file."""
        return Owner(self.mtime, self.permissions, self.uid, self.gid, self.nanoseconds)


def parse(number: int, raw: bytes) -> Facts:
    """What an inode says."""
    mode, uid_low, size_low = struct.unpack_from("<HHI", raw, 0)
    (mtime,) = struct.unpack_from("<i", raw, 16)
    gid_low, links = struct.unpack_from("<HH", raw, 24)
    uid_high, gid_high = struct.unpack_from("<HH", raw, 120)
    size_high = struct.unpack_from("<I", raw, 108)[0] if stat.S_ISREG(mode) else 0
    extra = 0
    if len(raw) > 140 and struct.unpack_from("<H", raw, 128)[0] >= 12:
        (extra,) = struct.unpack_from("<I", raw, 136)
    return Facts(
        number=number,
        mode=mode,
        uid=uid_low | uid_high << 16,
        gid=gid_low | gid_high << 16,
        mtime=mtime + ((extra & 3) << 32),
        size=size_low | size_high << 32,
        flags=struct.unpack_from("<I", raw, FLAGS)[0],
        block=raw[40:100],
        links=links,
        nanoseconds=extra >> 2,
    )


def blank(size: int, *, links: int, length: int = 0) -> bytearray:
    """A new inode of `size` bytes with an empty tree of extents, for a content of `length` bytes."""
    raw = bytearray(size)
    struct.pack_into("<H", raw, LINKS, links)
    struct.pack_into("<I", raw, FLAGS, e2.EXTENTS_FLAG)
    struct.pack_into("<HHHHI", raw, 40, 0xF30A, 0, _EXTENTS_INLINE, 0, 0)
    set_length(raw, length)
    return raw


def whole(size: int, mode: int, owner: Owner, now: int, *, length: int, extent: Extent | None) -> bytes:
    """A new file's inode of `size` bytes, as `blank` and `stamp` make it, its one extent included."""
    tree = _TREE.pack(0xF30A, 0, _EXTENTS_INLINE, 0, 0)
    sectors = 0
    if extent is not None:
        tree = _TREE.pack(0xF30A, 1, _EXTENTS_INLINE, 0, 0)
        tree += _LEAF.pack(0, extent.count, extent.first >> 32, extent.first & 0xFFFF_FFFF)
        sectors = extent.count * (extent.block // _SECTOR)
    low, extra = owner.mtime & 0xFFFF_FFFF, owner.nanoseconds << 2 | _epoch(owner.mtime)
    made = _WHOLE.pack(
        mode, owner.uid & 0xFFFF, length & 0xFFFF_FFFF, low, low, low, 0, owner.gid & 0xFFFF, 1,
        sectors, e2.EXTENTS_FLAG, 0, tree, 0, 0, length >> 32, 0, 0, 0, owner.uid >> 16, owner.gid >> 16, 0,
        _EXTRA_SIZE, 0, extra, extra, extra, now & 0xFFFF_FFFF, _epoch(now),
    )  # fmt: skip
    return made.ljust(size, b"\0")


def set_length(raw: bytearray, length: int) -> None:
    """Bytes of content."""
    struct.pack_into("<I", raw, 4, length & 0xFFFF_FFFF)
    struct.pack_into("<I", raw, 108, length >> 32)


def set_blocks(raw: bytearray, blocks: int, block: int) -> None:
    """Blocks that the inode takes, its trees and attributes included."""
    sectors = blocks * (block // _SECTOR)
    struct.pack_into("<I", raw, 28, sectors & 0xFFFF_FFFF)
    struct.pack_into("<H", raw, 116, sectors >> 32)


def has_attribute_block(raw: bytes) -> bool:
    """Whether its extended attributes take a block of their own."""
    return bool(struct.unpack_from("<I", raw, 104)[0] or struct.unpack_from("<H", raw, 118)[0])


def inline_extents(raw: bytes) -> list[tuple[int, int, int]] | None:
    """(first block of the file, first on disk, count) of each; None if the inode has no room for all."""
    entries, depth = struct.unpack_from("<H2xH", raw, 42)
    if depth:
        return None
    found = []
    for number in range(entries):
        at, count, high, low = struct.unpack_from("<IHHI", raw, 52 + 12 * number)
        found.append((at, low | high << 32, count))
    return found


def stamp(raw: bytearray, mode: int, owner: Owner, now: int) -> bytearray:
    """Owner, mode and times; all times are the owner's, but the birth is `now`."""
    low, extra = owner.mtime & 0xFFFF_FFFF, owner.nanoseconds << 2 | _epoch(owner.mtime)
    struct.pack_into("<HH", raw, 0, mode, owner.uid & 0xFFFF)
    struct.pack_into("<III", raw, 8, low, low, low)
    struct.pack_into("<H", raw, 24, owner.gid & 0xFFFF)
    struct.pack_into("<HH", raw, 120, owner.uid >> 16, owner.gid >> 16)
    struct.pack_into("<HHIII", raw, 128, _EXTRA_SIZE, 0, extra, extra, extra)
    struct.pack_into("<II", raw, 144, now & 0xFFFF_FFFF, _epoch(now))
    return raw


def _epoch(seconds: int) -> int:
    """The two bits that carry a time beyond 2038."""
    low = seconds & 0xFFFF_FFFF
    signed = low - (1 << 32) if low >> 31 else low
    return (seconds - signed) >> 32 & 3
