"""Fills an ext4 file system inside an image: folders, links, and files that go straight to image offsets.

The library allocates a file's blocks at once, as initialized extents; the caller then writes
the content to the image through `PlacedFile`, in large pieces, while hashing it.
"""

from __future__ import annotations

import ctypes as c
import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from workers.errors import JobError
from workers.imaging import libext2fs as e2
from workers.imaging.ext4 import ROOT, Ext4, Superblock, parts
from workers.imaging.ext4_folder import pack_folder

_EXTENTS_INLINE: Final = 4


@dataclass(frozen=True)
class Owner:
    """Who owns a new file or folder, what they may do with it, and since when (seconds since 1970)."""

    mtime: int
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


class PlacedFile:
    """Writes a file's content, in order, to where its blocks lie in the image."""

    def __init__(self, fd: int, size: int, places: list[tuple[int, int]]) -> None:
        self._fd, self.size, self._places = fd, size, places
        self.rewind()

    def rewind(self) -> None:
        """Begin again: what was written will be overwritten."""
        self.written = 0
        self._index = self._within = 0

    def write(self, data: bytes | memoryview) -> None:
        """The next piece; more than the file's size is a JobError `size_mismatch`."""
        rest = memoryview(data)
        if self.written + len(rest) > self.size:
            raise JobError("size_mismatch", f"more than the announced {self.size} bytes arrived")
        self.written += len(rest)
        while rest:
            start, length = self._places[self._index]
            piece = rest[: length - self._within]
            done = os.pwrite(self._fd, piece, start + self._within)
            rest = rest[done:]
            self._within += done
            if self._within == length:
                self._index, self._within = self._index + 1, 0


class Ext4Fill(Ext4):
    """An open file system that grows new content. `close` puts the folders down; without it nothing holds."""

    def __init__(self, image: Path, offset: int, *, now: int) -> None:
        if Superblock.read(image, offset).inode_size < 256:
            raise JobError(
                "bad_filesystem", "inodes of 128 bytes are not supported; make the file system anew"
            )
        with e2.frozen_clock(now):
            self._open(image, offset, flags=e2.READ_WRITE | e2.WIDE_BLOCKS)
        self._now = now
        self._fd = os.open(image, os.O_RDWR)
        self._folders: dict[tuple[bytes, ...], int] = {(): ROOT}
        self._new: dict[int, dict[bytes, tuple[int, int]]] = {}  # folder → name → (inode, kind)
        self._fresh: set[int] = set()
        e2.check("the block bitmaps cannot be read", self._lib.ext2fs_read_bitmaps(self._fs))

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if kind is not None:
            self._new.clear()
        self.close()

    def close(self) -> None:
        """Write all folders and close."""
        if not self._fs:
            return
        try:
            for folder, names in self._new.items():
                self._put_down(folder, names)
            self._new.clear()
        finally:
            super().close()
            os.fsync(self._fd)
            os.close(self._fd)

    def makedirs(self, path: str, owner: Owner) -> int:
        """The folder at `path`; it and those above it are made where missing. Its inode."""
        return self._makedirs(tuple(parts(path)), owner)

    def own(self, path: str, owner: Owner) -> None:
        """Give an existing folder another owner, mode and time."""
        inode = self._makedirs(tuple(parts(path)), owner)
        mode = stat.S_IFDIR | stat.S_IMODE(owner.mode)
        self._write_inode(inode, self._owned(bytearray(self._read_inode(inode)), mode, owner))

    def create(self, path: str, size: int, owner: Owner, *, folders: Owner) -> PlacedFile:
        """A new file with all its blocks; the folders above it are made as `folders` says."""
        parent, name = self._free_name(path, folders)
        mode = stat.S_IFREG | stat.S_IMODE(owner.mode)
        inode = self._new_inode(parent, mode, folder=False)
        raw = bytearray(self.super.inode_size)
        struct.pack_into("<H", raw, 26, 1)
        struct.pack_into("<II", raw, 4, size & 0xFFFF_FFFF, 0)
        struct.pack_into("<I", raw, 32, e2.EXTENTS_FLAG)
        struct.pack_into("<HHHHI", raw, 40, 0xF30A, 0, _EXTENTS_INLINE, 0, 0)
        struct.pack_into("<I", raw, 108, size >> 32)
        self._write_inode(inode, self._owned(raw, mode, owner))
        places = self._allocate(path, inode, size) if size else []
        self._new.setdefault(parent, {})[name] = (inode, e2.KIND_FILE)
        return PlacedFile(self._fd, size, places)

    def symlink(self, path: str, target: str, owner: Owner, *, folders: Owner) -> None:
        parent, name = self._free_name(path, folders)
        mode = stat.S_IFLNK | 0o777
        inode = self._new_inode(parent, mode, folder=False, count=False)
        code = self._lib.ext2fs_symlink(self._fs, parent, inode, None, os.fsencode(target))
        e2.check(f"the link {path} cannot be made", code)
        self._write_inode(inode, self._owned(bytearray(self._read_inode(inode)), mode, owner))
        self._new.setdefault(parent, {})[name] = (inode, e2.KIND_LINK)

    def exists(self, path: str) -> bool:
        """Whether a file or folder of this name is there, or will be after `close`."""
        *above, name = parts(path)
        folder: int | None = ROOT
        for part in above:
            folder = self._look(folder, part)
            if folder is None:
                return False
        return self._look(folder, name) is not None

    def _look(self, folder: int | None, name: bytes) -> int | None:
        if folder is None:
            return None
        pending = self._new.get(folder, {}).get(name)
        if pending:
            return pending[0]
        return None if folder in self._fresh else self._lookup(folder, name)

    def _makedirs(self, names: tuple[bytes, ...], owner: Owner) -> int:
        known = self._folders.get(names)
        if known is not None:
            return known
        parent = self._makedirs(names[:-1], owner)
        inode = self._look(parent, names[-1])
        if inode is None:
            inode = self._mkdir(parent, names[-1], owner)
        elif not stat.S_ISDIR(self.facts(inode).mode):
            path = os.fsdecode(b"/".join(names))
            raise JobError("name_taken", f"/{path} is a file on the data partition, but a folder is needed")
        self._folders[names] = inode
        return inode

    def _mkdir(self, parent: int, name: bytes, owner: Owner) -> int:
        mode = stat.S_IFDIR | stat.S_IMODE(owner.mode)
        inode = self._new_inode(parent, mode, folder=True, count=False)
        e2.check("a folder cannot be made", self._lib.ext2fs_mkdir(self._fs, parent, inode, None))
        self._write_inode(inode, self._owned(bytearray(self._read_inode(inode)), mode, owner))
        self._new.setdefault(parent, {})[name] = (inode, e2.KIND_FOLDER)
        self._fresh.add(inode)
        return inode

    def _free_name(self, path: str, folders: Owner) -> tuple[int, bytes]:
        *above, name = parts(path)
        parent = self._makedirs(tuple(above), folders)
        if self._look(parent, name) is not None:
            raise JobError("name_taken", f"{path} exists on the data partition already; choose another name")
        return parent, name

    def _new_inode(self, parent: int, mode: int, *, folder: bool, count: bool = True) -> int:
        """A free inode number; `count` marks it as taken (mkdir and symlink do that themselves)."""
        inode = c.c_uint32()
        code = self._lib.ext2fs_new_inode(self._fs, parent, mode, None, c.byref(inode))
        if code == e2.NO_INODE:
            raise JobError("too_large", "the data partition has no room for more files; choose a larger size")
        e2.check("no inode can be had", code)
        if count:
            self._lib.ext2fs_inode_alloc_stats2(self._fs, inode.value, 1, int(folder))
        return inode.value

    def _owned(self, raw: bytearray, mode: int, owner: Owner) -> bytearray:
        low, epoch = owner.mtime & 0xFFFF_FFFF, _epoch(owner.mtime)
        struct.pack_into("<HH", raw, 0, mode, owner.uid & 0xFFFF)
        struct.pack_into("<III", raw, 8, low, low, low)
        struct.pack_into("<H", raw, 24, owner.gid & 0xFFFF)
        struct.pack_into("<HH", raw, 120, owner.uid >> 16, owner.gid >> 16)
        struct.pack_into("<HHIII", raw, 128, 32, 0, epoch, epoch, epoch)
        struct.pack_into("<II", raw, 144, self._now & 0xFFFF_FFFF, _epoch(self._now))
        return raw

    def _write_inode(self, inode: int, raw: bytearray) -> None:
        buffer = c.create_string_buffer(bytes(raw), len(raw))
        code = self._lib.ext2fs_write_inode_full(self._fs, inode, buffer, len(raw))
        e2.check(f"inode {inode} cannot be written", code)

    def _allocate(self, path: str, inode: int, size: int) -> list[tuple[int, int]]:
        """(image offset, length) of each stretch of the file's blocks, in the file's order."""
        blocks = -(-size // self.super.block)
        how = e2.FALLOCATE_FORCE_INIT | e2.FALLOCATE_BEYOND_EOF
        code = self._lib.ext2fs_fallocate(self._fs, how, inode, None, e2.ANY_GOAL, 0, blocks)
        if code == e2.NO_BLOCK:
            raise JobError(
                "too_large", f"{path} ({size} bytes) does not fit on the data partition; choose a larger size"
            )
        e2.check(f"no room can be had for {path}", code)
        leaves, nodes = self._extents(inode)
        self._count_blocks(inode, blocks + nodes)
        places, left = [], size
        for block, count in leaves:
            length = min(left, count * self.super.block)
            places.append((self.offset + block * self.super.block, length))
            left -= length
        if left:
            raise e2.Ext2Error(f"{path} got too few blocks", e2.NO_BLOCK)
        return places

    def _extents(self, inode: int) -> tuple[list[tuple[int, int]], int]:
        """(first block, count) of each leaf, and how many blocks the tree itself takes."""
        handle, raw = c.c_void_p(), c.create_string_buffer(24)
        e2.check("extents", self._lib.ext2fs_extent_open2(self._fs, inode, None, c.byref(handle)))
        leaves, nodes, step = [], 0, e2.EXTENT_ROOT
        try:
            while not (code := self._lib.ext2fs_extent_get(handle, step, raw)):
                block, _, count, flags = struct.unpack("<QQII", raw.raw)
                if flags & e2.EXTENT_LEAF and not flags & e2.EXTENT_SECOND_VISIT:
                    leaves.append((block, count))
                nodes += not flags & (e2.EXTENT_LEAF | e2.EXTENT_SECOND_VISIT)
                step = e2.EXTENT_NEXT
        finally:
            self._lib.ext2fs_extent_free(handle)
        if code != e2.NO_NEXT_EXTENT:
            e2.check("extents", code)
        return leaves, nodes

    def _count_blocks(self, inode: int, blocks: int) -> None:
        """Set the inode's block count: libext2fs 1.47 miscounts when the tree of extents splits."""
        raw = bytearray(self._read_inode(inode))
        sectors = blocks * (self.super.block // 512)
        struct.pack_into("<I", raw, 28, sectors & 0xFFFF_FFFF)
        struct.pack_into("<H", raw, 116, sectors >> 32)
        self._write_inode(inode, raw)

    def _put_down(self, folder: int, names: dict[bytes, tuple[int, int]]) -> None:
        if folder in self._fresh:
            self._write_folder(folder, names)
            return
        for name, (inode, kind) in names.items():
            code = self._lib.ext2fs_link(self._fs, folder, name, inode, kind)
            if code == e2.DIR_NO_SPACE:
                e2.check("a folder cannot grow", self._lib.ext2fs_expand_dir(self._fs, folder))
                code = self._lib.ext2fs_link(self._fs, folder, name, inode, kind)
            e2.check(f"{os.fsdecode(name)} cannot be entered", code)

    def _write_folder(self, folder: int, names: dict[bytes, tuple[int, int]]) -> None:
        """A new folder's blocks in one go: linear, where linking names one by one is quadratic."""
        buffer = c.create_string_buffer(self.super.block)
        e2.check(
            "folder", self._lib.ext2fs_read_dir_block4(self._fs, self._block(folder, 0), buffer, 0, folder)
        )
        own, parent = struct.unpack_from("<I", buffer, 0)[0], struct.unpack_from("<I", buffer, 12)[0]
        entries = {b".": (own, e2.KIND_FOLDER), b"..": (parent, e2.KIND_FOLDER), **names}
        blocks = pack_folder(entries, self.super.block)
        for _ in blocks[1:]:
            e2.check("a folder cannot grow", self._lib.ext2fs_expand_dir(self._fs, folder))
        for number, raw in enumerate(blocks):
            place = self._block(folder, number)
            code = self._lib.ext2fs_write_dir_block4(
                self._fs, place, c.create_string_buffer(raw, len(raw)), 0, folder
            )
            e2.check("a folder cannot be written", code)

    def _block(self, folder: int, number: int) -> int:
        place = c.c_uint64()
        code = self._lib.ext2fs_bmap2(self._fs, folder, None, None, 0, number, None, c.byref(place))
        e2.check("a folder's block cannot be found", code)
        return place.value


def _epoch(seconds: int) -> int:
    """The two bits that carry a time beyond 2038."""
    low = seconds & 0xFFFF_FFFF
    signed = low - (1 << 32) if low >> 31 else low
    return (seconds - signed) >> 32 & 3
