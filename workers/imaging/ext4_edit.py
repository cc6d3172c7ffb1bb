"""An ext4 file system inside an image, opened for changes: inodes, blocks and attributes by their numbers."""

from __future__ import annotations

import ctypes as c
import os
import stat
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from workers.errors import JobError
from workers.imaging import ext4_inode, ext4_run
from workers.imaging import libext2fs as e2
from workers.imaging.ext4 import Ext4, Superblock
from workers.imaging.ext4_inode import Extent, Owner
from workers.imaging.ext4_run import BlockRun
from workers.imaging.placed_file import Place
from workers.imaging.ranges import Range

_NEEDED: Final = {"extent", "filetype"}
_REFUSED: Final = {
    "bigalloc", "casefold", "inline_data", "journal_dev", "mmp", "needs_recovery", "project", "quota",
    "read-only", "shared_blocks",
}  # fmt: skip
_SMALLEST_INODE: Final = 256
_LARGEST_BLOCK: Final = 32768
_MOST_WAITING: Final = 8192  # new inodes that are written together


class Ext4Edit(Ext4):
    """Open for changes. All calls from one thread."""

    def __init__(self, image: Path, offset: int, *, now: int) -> None:
        check_features(Superblock.read(image, offset))
        with e2.frozen_clock(now):
            self._open(image, offset, flags=e2.READ_WRITE | e2.WIDE_BLOCKS)
        self.now = now
        self._number = c.c_uint32()
        self._number_at = c.byref(self._number)
        self._run = BlockRun(self._fs)
        self._waiting: dict[int, bytes] = {}  # by number, what is still to be written
        try:
            e2.check("the block bitmaps cannot be read", self._lib.ext2fs_read_bitmaps(self._fs))
        except BaseException:
            super().close()
            raise

    def close(self) -> None:
        if self._fs:
            self._run.give_back()
        super().close()

    def add_file(self, parent: int, path: str, mode: int, size: int, owner: Owner) -> tuple[int, list[Place]]:
        """A new file with all its blocks: its inode, and where each stretch of it lies."""
        block = self.super.block
        count = -(-size // block)
        first = self._run.take(count) if 0 < count <= ext4_run.MOST else None
        if count and first is None:
            raw = ext4_inode.blank(self.super.inode_size, links=1, length=size)
            inode = self.add_inode(parent, mode, raw, owner)
            return inode, self.allocate(inode, path, size, [Range(0, size)])
        extent = None if first is None else Extent(first, count, block)
        inode = self._free_inode(parent, mode)
        self._lib.ext2fs_inode_alloc_stats2(self._fs, inode, 1, 0)
        made = ext4_inode.whole(self.super.inode_size, mode, owner, self.now, length=size, extent=extent)
        self._wait(inode, made)
        return inode, [] if first is None else [Place(0, self.offset + first * block, size)]

    def settle(self) -> None:
        """Write the new inodes that wait for it."""
        waiting, self._waiting = self._waiting, {}
        for inode, raw in waiting.items():
            self.write_inode(inode, raw)

    def add_inode(self, parent: int, mode: int, raw: bytearray, owner: Owner) -> int:
        """A new inode near its folder; its number."""
        inode = self._free_inode(parent, mode)
        self._lib.ext2fs_inode_alloc_stats2(self._fs, inode, 1, int(stat.S_ISDIR(mode)))
        self._wait(inode, bytes(ext4_inode.stamp(raw, mode, owner, self.now)))
        return inode

    def add_symlink(self, parent: int, path: str, target: bytes, owner: Owner) -> int:
        """The inode of a symbolic link."""
        if not 0 < len(target) < self.super.block:
            raise JobError(
                "bad_link",
                f"the link {path} leads to a path of {len(target)} bytes; "
                f"it must have 1 to {self.super.block - 1}",
            )
        mode = stat.S_IFLNK | 0o777
        inode = self._free_inode(parent, mode)
        self._run.give_back()
        code = self._lib.ext2fs_symlink(self._fs, parent, inode, None, target)
        self._room_or_raise(code, path, len(target))
        e2.check(f"the link {path} cannot be made", code)
        self.write_inode(inode, ext4_inode.stamp(self.read_inode(inode), mode, owner, self.now))
        return inode

    def remove_inode(self, inode: int) -> None:
        """One name less; with the last one go its blocks."""
        raw = self.read_inode(inode)
        facts = ext4_inode.parse(inode, bytes(raw))
        if facts.links > 1:
            struct.pack_into("<H", raw, ext4_inode.LINKS, facts.links - 1)
            self.write_inode(inode, raw)
            return
        if stat.S_ISREG(facts.mode) or (stat.S_ISLNK(facts.mode) and facts.flags & e2.EXTENTS_FLAG):
            self.free_blocks(inode, 0)
        code = self._lib.ext2fs_free_ext_attr(self._fs, inode, None)
        e2.check("extended attributes cannot be removed", code)
        raw = self.read_inode(inode)
        struct.pack_into("<H", raw, ext4_inode.LINKS, 0)
        struct.pack_into("<I", raw, ext4_inode.DELETED, self.now & 0xFFFF_FFFF)
        self.write_inode(inode, raw)
        self._lib.ext2fs_inode_alloc_stats2(self._fs, inode, -1, 0)

    def set_attributes(self, inode: int, attributes: Mapping[str, bytes], path: str) -> None:
        """Give an inode extended attributes, by their full names."""
        self._run.give_back()
        self._settle(inode)
        with e2.attributes(self._fs, inode) as handle:
            for name, value in sorted(attributes.items()):
                code = self._lib.ext2fs_xattr_set(handle, os.fsencode(name), value, len(value))
                if code == e2.NO_ROOM_FOR_ATTRIBUTES:
                    raise JobError(
                        "attributes_too_large",
                        f"{path}: its extended attributes do not fit in a block of {self.super.block} bytes "
                        f"({name} alone has {len(value)}); leave some out",
                    )
                self._room_or_raise(code, path, len(value))
                e2.check(f"{path} cannot have the attribute {name}", code)

    def allocate(self, inode: int, path: str, size: int, data: Sequence[Range]) -> list[Place]:
        """Blocks for the ranges `data` of a file of `size` bytes: where each stretch of it lies."""
        block = self.super.block
        for each in data:
            first, end = each.offset // block, -(-each.end // block)
            code = self._fallocate(inode, first, end - first)
            self._room_or_raise(code, path, size)
            e2.check(f"no room can be had for {path}", code)
        extents = self.recount(inode) if data else []
        places = [
            Place(first * block, self.offset + place * block, min(count * block, size - first * block))
            for first, place, count in extents
        ]
        if sum(-(-each.end // block) - each.offset // block for each in data) != sum(
            n for _, _, n in extents
        ):
            raise e2.Ext2Error(f"{path} got another number of blocks", e2.NO_BLOCK)
        return places

    def recount(self, inode: int) -> list[tuple[int, int, int]]:
        """Its extents. Where they are a tree, blocks are counted: libext2fs 1.47 miscounts when it splits."""
        extents, nodes = self._extents(inode)
        if nodes:
            raw = self.read_inode(inode)
            own = nodes + ext4_inode.has_attribute_block(bytes(raw))
            ext4_inode.set_blocks(raw, sum(count for _, _, count in extents) + own, self.super.block)
            self.write_inode(inode, raw)
        return extents

    def grow(self, inode: int, start: int, count: int) -> None:
        """`count` more blocks from the `start`th for a folder."""
        code = self._fallocate(inode, start, count)
        self._room_or_raise(code, "a folder", count * self.super.block)
        e2.check("a folder cannot grow", code)

    def free_blocks(self, inode: int, start: int) -> None:
        """Give all blocks back from the `start`th of a file or folder."""
        self._settle(inode)
        code = self._lib.ext2fs_punch(self._fs, inode, None, None, start, e2.TO_THE_END)
        e2.check("blocks cannot be given back", code)

    def write_folder_block(self, inode: int, number: int, data: bytes) -> None:
        place = c.c_uint64()
        code = self._lib.ext2fs_bmap2(self._fs, inode, None, None, 0, number, None, c.byref(place))
        e2.check("a folder's block cannot be found", code)
        buffer = c.create_string_buffer(data, len(data))
        code = self._lib.ext2fs_write_dir_block4(self._fs, place.value, buffer, 0, inode)
        e2.check("a folder cannot be written", code)

    def name_hash(self, name: bytes) -> tuple[int, int]:
        """Where a name stands in an indexed folder."""
        major, minor = c.c_uint32(), c.c_uint32()
        version = self.super.hash_version + (3 if self.super.unsigned_hash else 0)
        seed = self.super.hash_seed
        code = self._lib.ext2fs_dirhash(version, name, len(name), seed, c.byref(major), c.byref(minor))
        e2.check("a name cannot be hashed", code)
        return major.value, minor.value

    def read_inode(self, inode: int) -> bytearray:
        return bytearray(self._read_inode(inode))

    def write_inode(self, inode: int, raw: bytes | bytearray) -> None:
        self._waiting.pop(inode, None)
        code = self._lib.ext2fs_write_inode_full(self._fs, inode, bytes(raw), len(raw))
        e2.check(f"inode {inode} cannot be written", code)

    def _wait(self, inode: int, raw: bytes) -> None:
        """It is written later, with others."""
        self._waiting[inode] = raw
        if len(self._waiting) >= _MOST_WAITING:
            self.settle()

    def _settle(self, inode: int) -> None:
        """The library is going to read this one."""
        if inode in self._waiting:
            self.write_inode(inode, self._waiting[inode])

    def _read_inode(self, inode: int) -> bytes:
        return self._waiting.get(inode) or super()._read_inode(inode)

    def _fallocate(self, inode: int, start: int, count: int) -> int:
        self._run.give_back()
        self._settle(inode)
        how = e2.FALLOCATE_FORCE_INIT | e2.FALLOCATE_BEYOND_EOF
        code: int = self._lib.ext2fs_fallocate(self._fs, how, inode, None, e2.ANY_GOAL, start, count)
        return code

    def _free_inode(self, parent: int, mode: int) -> int:
        code = self._lib.ext2fs_new_inode(self._fs, parent, mode, None, self._number_at)
        if code == e2.NO_INODE:
            raise JobError("too_large", "the data partition has no room for more files; choose a larger size")
        e2.check("no inode can be had", code)
        return self._number.value

    def _room_or_raise(self, code: int, path: str, size: int) -> None:
        if code == e2.NO_BLOCK:
            raise JobError(
                "too_large", f"{path} ({size} bytes) does not fit on the data partition; choose a larger size"
            )


def check_features(found: Superblock) -> None:
    """JobError `bad_filesystem` if it has or lacks what we cannot change content with."""
    if found.inode_size < _SMALLEST_INODE:
        raise JobError("bad_filesystem", "inodes of 128 bytes are not supported; make the file system anew")
    odd = sorted(found.features & _REFUSED) + sorted(f"no {name}" for name in _NEEDED - found.features)
    odd += ["features of a newer kind"] if found.unknown else []
    odd += [f"blocks of {found.block} bytes"] if found.block > _LARGEST_BLOCK else []
    if odd:
        raise JobError(
            "bad_filesystem",
            f"a file system with {', '.join(odd)} cannot be filled; make it anew as plain ext4",
        )
