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

ROOT: Final = 2
SUPERBLOCK: Final = 1024  # offset and size
_MAGIC: Final = 0xEF53
_INLINE_LINK: Final = 60
_READ_STEP: Final = 1 << 20


@dataclass(frozen=True)
class Superblock:
    """What we need to know of a file system before touching it."""

    block: int
    blocks: int
    free_blocks: int
    free_inodes: int
    inode_size: int
    label: str
    uuid: bytes
    hash_seed: bytes

    @property
    def size(self) -> int:
        return self.block * self.blocks

    @classmethod
    def read(cls, image: Path, offset: int) -> Superblock:
        """At byte `offset` of the image; JobError `bad_filesystem` if there is none."""
        with image.open("rb") as file:
            file.seek(offset + SUPERBLOCK)
            raw = file.read(SUPERBLOCK)
        if len(raw) != SUPERBLOCK or struct.unpack_from("<H", raw, 56)[0] != _MAGIC or raw[24] > 6:
            raise JobError(
                "bad_filesystem",
                f"{image.name}: no ext4 file system at byte {offset}; take another base image",
            )
        low, _, free_low, free_inodes = struct.unpack_from("<IIII", raw, 4)
        high = struct.unpack_from("<I", raw, 336)[0] if raw[96] & 0x80 else 0
        free_high = struct.unpack_from("<I", raw, 344)[0] if raw[96] & 0x80 else 0
        return cls(
            block=1024 << struct.unpack_from("<I", raw, 24)[0],
            blocks=low | high << 32,
            free_blocks=free_low | free_high << 32,
            free_inodes=free_inodes,
            inode_size=struct.unpack_from("<H", raw, 88)[0] or 128,
            label=raw[120:136].rstrip(b"\0").decode("utf-8", "replace"),
            uuid=raw[104:120],
            hash_seed=raw[236:252],
        )


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

    @property
    def permissions(self) -> int:
        return stat.S_IMODE(self.mode)


@dataclass(frozen=True)
class Ext4Entry:
    """A name in a folder."""

    name: str
    inode: int


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
        raw = self._read_inode(inode)
        mode, uid_low, size_low = struct.unpack_from("<HHI", raw, 0)
        (mtime,) = struct.unpack_from("<i", raw, 16)
        (gid_low,) = struct.unpack_from("<H", raw, 24)
        uid_high, gid_high = struct.unpack_from("<HH", raw, 120)
        size_high = struct.unpack_from("<I", raw, 108)[0] if stat.S_ISREG(mode) else 0
        if len(raw) > 140 and struct.unpack_from("<H", raw, 128)[0] >= 12:
            mtime += (struct.unpack_from("<I", raw, 136)[0] & 3) << 32
        return Facts(
            number=inode,
            mode=mode,
            uid=uid_low | uid_high << 16,
            gid=gid_low | gid_high << 16,
            mtime=mtime,
            size=size_low | size_high << 32,
            flags=struct.unpack_from("<I", raw, 32)[0],
            block=raw[40:100],
        )

    def entries(self, inode: int = ROOT) -> list[Ext4Entry]:
        """A folder's content, sorted by name; without `.` and `..`."""
        found: list[Ext4Entry] = []

        def take(_: int, __: int, at: int, ___: int, ____: int, _____: int, ______: int) -> int:
            number, _length, size = struct.unpack("<IHB", c.string_at(at, 7))
            name = os.fsdecode(c.string_at(at + 8, size))
            if name not in {".", ".."}:
                found.append(Ext4Entry(name, number))
            return 0

        code = self._lib.ext2fs_dir_iterate2(self._fs, inode, 0, None, e2.ITERATE(take), None)
        self._check("a folder of the ext4 partition cannot be read", code)
        return sorted(found, key=lambda entry: os.fsencode(entry.name))

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
