"""Reads an ext4 file system inside an image, without mounting it (also ext2 and ext3)."""

from __future__ import annotations

import ctypes as c
import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from workers.errors import JobError
from workers.imaging import libext2fs as e2
from workers.imaging.ext4_inode import Facts, inline_extents, parse
from workers.imaging.ext4_super import Superblock
from workers.imaging.ranges import Range, merge

__all__ = ["ROOT", "Ext4", "Ext4Entry", "Facts", "Superblock", "parts"]

ROOT: Final = 2
_INLINE_LINK: Final = 60
_READ_STEP: Final = 1 << 20
_LONGEST_EXTENT: Final = 32768  # blocks; what seems longer is allocated, but was never written


@dataclass(frozen=True)
class Ext4Entry:
    """A name in a folder. `kind` is what the folder says of it: 1 file, 2 folder, 7 link, 0 nothing."""

    name: str
    inode: int
    kind: int = 0


class Ext4:
    """An open file system at a byte offset of an image; read only."""

    def __init__(self, image: Path, offset: int) -> None:
        self._open(image, offset, flags=e2.WIDE_BLOCKS)

    def _open(self, image: Path, offset: int, *, flags: int) -> None:
        self.image, self.offset = image, offset
        self.super = Superblock.read(image, offset)
        self._lib = e2.lib()
        self._fs = c.c_void_p()
        where = f"offset={offset}".encode() if offset else None
        number = self._lib.ext2fs_open2(
            os.fsencode(image), where, flags, 0, 0, e2.io_manager(), c.byref(self._fs)
        )
        if number:
            error = e2.Ext2Error(f"the ext4 partition at byte {offset} cannot be opened", number)
            raise JobError("bad_filesystem", error.message) from error
        self._buffer = c.create_string_buffer(max(self.super.inode_size, 128))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._fs:
            self._check("closing the file system", self._lib.ext2fs_close_free(c.byref(self._fs)))
            self._fs = c.c_void_p()

    def find(self, path: str) -> Facts | None:
        """The inode at `path`; links on the way are not followed."""
        inode = ROOT
        for name in parts(path):
            found = self._lookup(inode, name)
            if found is None:
                return None
            inode = found
        return self.facts(inode)

    def facts(self, inode: int) -> Facts:
        return parse(inode, self._read_inode(inode))

    def entries(self, inode: int = ROOT) -> list[Ext4Entry]:
        """A folder's content, sorted by name; without `.` and `..`."""
        return sorted(self.listed(inode), key=lambda entry: os.fsencode(entry.name))

    def listed(self, inode: int) -> list[Ext4Entry]:
        """The same in the order on disk."""
        found: list[Ext4Entry] = []

        def take(_: int, __: int, at: int, ___: int, ____: int, _____: int, ______: int) -> int:
            number, _length, size, kind = struct.unpack("<IHBB", c.string_at(at, 8))
            name = os.fsdecode(c.string_at(at + 8, size))
            if name not in {".", ".."}:
                found.append(Ext4Entry(name, number, kind))
            return 0

        code = self._lib.ext2fs_dir_iterate2(self._fs, inode, 0, None, e2.ITERATE(take), None)
        self._check("a folder of the ext4 partition cannot be read", code)
        return found

    def walk(self, path: str = "/", inode: int = ROOT) -> Iterator[tuple[str, Facts]]:
        """Everything below a folder with its path, parents first, sorted."""
        for entry in self.entries(inode):
            below = f"{path.rstrip('/')}/{entry.name}"
            facts = self.facts(entry.inode)
            yield below, facts
            if stat.S_ISDIR(facts.mode):
                yield from self.walk(below, entry.inode)

    def pieces(self, inode: int) -> Iterator[bytes]:
        """A file's content in pieces of at most 1 MiB; holes come as zeros."""
        file = c.c_void_p()
        self._check("a file cannot be opened", self._lib.ext2fs_file_open(self._fs, inode, 0, c.byref(file)))
        buffer, got = c.create_string_buffer(_READ_STEP), c.c_uint()
        try:
            while True:
                code = self._lib.ext2fs_file_read(file, buffer, _READ_STEP, c.byref(got))
                self._check("a file of the ext4 partition cannot be read", code)
                if not got.value:
                    return
                yield c.string_at(buffer, got.value)
        finally:
            self._lib.ext2fs_file_close(file)

    def read(self, path: str) -> bytes:
        """A whole file; JobError `no_such_file` if it is none."""
        facts = self.find(path)
        if facts is None or not stat.S_ISREG(facts.mode):
            raise JobError("no_such_file", f"the ext4 partition has no file {path}")
        return b"".join(self.pieces(facts.number))

    def target(self, link: Facts) -> str:
        """Where a symbolic link leads."""
        if link.size < _INLINE_LINK and not link.flags & e2.EXTENTS_FLAG:
            return os.fsdecode(link.block[: link.size])
        return os.fsdecode(b"".join(self.pieces(link.number)))

    def data_ranges(self, facts: Facts) -> list[Range]:
        """Where a file holds data, ascending, in whole blocks; the rest of it are holes."""
        if not facts.flags & e2.EXTENTS_FLAG:
            return [Range(0, facts.size)] if facts.size else []
        extents, _ = self._extents(facts.number)
        block = self.super.block
        return merge(Range(first * block, count * block) for first, _, count in extents)

    def attributes(self, inode: int) -> dict[str, bytes]:
        """The extended attributes by their full names, `user.colour` for example."""
        found: dict[str, bytes] = {}

        def take(name: bytes, value: int, length: int, _: int) -> int:
            found[os.fsdecode(name)] = c.string_at(value, length)
            return 0

        with e2.attributes(self._fs, inode) as handle:
            code = self._lib.ext2fs_xattrs_iterate(handle, e2.TAKE_ATTRIBUTE(take), None)
            self._check("extended attributes cannot be read", code)
        return found

    def _extents(self, inode: int) -> tuple[list[tuple[int, int, int]], int]:
        """(first block of the file, first on disk, count) of what is written; blocks of the tree."""
        inline = inline_extents(self._read_inode(inode))
        if inline is not None:
            return [each for each in inline if each[2] <= _LONGEST_EXTENT], 0
        handle, raw = c.c_void_p(), c.create_string_buffer(24)
        self._check("extents", self._lib.ext2fs_extent_open2(self._fs, inode, None, c.byref(handle)))
        leaves, nodes, step = [], 0, e2.EXTENT_ROOT
        try:
            while not (code := self._lib.ext2fs_extent_get(handle, step, raw)):
                place, first, count, flags = struct.unpack("<QQII", raw.raw)
                once = not flags & e2.EXTENT_SECOND_VISIT
                if flags & e2.EXTENT_LEAF and once and not flags & e2.EXTENT_UNWRITTEN:
                    leaves.append((first, place, count))
                nodes += once and not flags & e2.EXTENT_LEAF
                step = e2.EXTENT_NEXT
        finally:
            self._lib.ext2fs_extent_free(handle)
        if code != e2.NO_NEXT_EXTENT:
            self._check("extents", code)
        return leaves, nodes

    def _lookup(self, folder: int, name: bytes) -> int | None:
        inode = c.c_uint32()
        code = self._lib.ext2fs_lookup(self._fs, folder, name, len(name), None, c.byref(inode))
        if code == e2.NOT_FOUND:
            return None
        self._check(f"looking up {os.fsdecode(name)}", code)
        return inode.value

    def _read_inode(self, inode: int) -> bytes:
        size = len(self._buffer)
        code = self._lib.ext2fs_read_inode_full(self._fs, inode, self._buffer, size)
        self._check(f"inode {inode} cannot be read", code)
        return self._buffer.raw

    def _check(self, what: str, code: int) -> None:
        e2.check(what, code)


def parts(path: str) -> list[bytes]:
    """The components of a path, as the file system stores them."""
    return [os.fsencode(part) for part in path.split("/") if part]
