"""Reads ext4 where the library of e2fsprogs cannot be loaded: the same answers as `Ext4`, in plain Python."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from workers.errors import HostError, JobError
from workers.imaging import libext2fs as e2
from workers.imaging.ext4 import Ext4, Ext4Entry
from workers.imaging.ext4_super import SUPERBLOCK, Superblock

_STRANGE: Final = {"bigalloc", "casefold", "ea_inode", "encrypt", "inline_data", "journal_dev", "meta_bg"}
_STEP: Final = 1 << 20
_LONGEST: Final = 32768  # blocks of an extent; what seems longer was never written
_DEEPEST: Final = 5
_EXTENT_MAGIC: Final = 0xF30A
_ATTRIBUTES: Final = 0xEA020000
_PREFIXES: Final = {
    0: "", 1: "user.", 2: "system.posix_acl_access", 3: "system.posix_acl_default", 4: "trusted.",
    6: "security.", 7: "system.",
}  # fmt: skip

Extents = tuple[list[tuple[int, int, int]], int]


class Ext4Plain(Ext4):
    """An open file system at a byte offset of an image; read only."""

    def _open(self, image: Path, offset: int, *, flags: int) -> None:  # noqa: ARG002  # it can only read
        self.image, self.offset = image, offset
        self.super = Superblock.read(image, offset)
        odd = sorted(self.super.features & _STRANGE) + ["features of a newer kind"] * self.super.unknown
        if odd:
            raise _needs_library(", ".join(odd))
        self._fd = os.open(image, os.O_RDONLY | os.O_CLOEXEC)
        raw = os.pread(self._fd, SUPERBLOCK, offset + SUPERBLOCK)
        self.inodes, self._first = struct.unpack_from("<I16xI", raw)
        self._per_group = struct.unpack_from("<I", raw, 40)[0] or 1
        wide = "64bit" in self.super.features
        self._descriptor = struct.unpack_from("<H", raw, 254)[0] if wide else 32
        self._wide = wide and self._descriptor >= 64

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def listed(self, inode: int) -> list[Ext4Entry]:
        found = []
        data = b"".join(self.pieces(inode))
        for start in range(0, len(data), self.super.block):
            found += list(_entries(data[start : start + self.super.block]))
        return found

    def pieces(self, inode: int) -> Iterator[bytes]:
        facts = self.facts(inode)
        block, at = self.super.block, 0
        for first, place, count in sorted(self._extents(inode)[0]):
            yield from _zeros(min(first * block, facts.size) - at)
            at = max(at, first * block)
            end = min((first + count) * block, facts.size)
            while at < end:
                length = min(_STEP, end - at)
                yield self._at(place * block + at - first * block, length)
                at += length
        yield from _zeros(facts.size - at)

    def attributes(self, inode: int) -> dict[str, bytes]:
        raw = self._read_inode(inode)
        found: dict[str, bytes] = {}
        extra = struct.unpack_from("<H", raw, 128)[0] if len(raw) > 128 else 0
        start = 128 + extra
        if len(raw) >= start + 4 and struct.unpack_from("<I", raw, start)[0] == _ATTRIBUTES:
            found.update(_pairs(raw, start + 4, start + 4))
        block = struct.unpack_from("<I", raw, 104)[0] | struct.unpack_from("<H", raw, 118)[0] << 32
        if block:
            found.update(_pairs(self._at(block * self.super.block, self.super.block), 32, 0))
        return found

    def _extents(self, inode: int) -> Extents:
        raw = self._read_inode(inode)
        flags, size = struct.unpack_from("<I", raw, 32)[0], struct.unpack_from("<I", raw, 4)[0]
        if not flags & e2.EXTENTS_FLAG:
            if size:
                raise _needs_library("files of the time before ext4")
            return [], 0
        leaves: list[tuple[int, int, int]] = []
        nodes = self._collect(raw[40:100], leaves, _DEEPEST)
        return leaves, nodes

    def _collect(self, node: bytes, leaves: list[tuple[int, int, int]], most: int) -> int:
        """The extents below a node into `leaves`; how many blocks the tree takes there."""
        magic, entries, _, depth = struct.unpack_from("<HHHH", node)
        if magic != _EXTENT_MAGIC or 12 + 12 * entries > len(node) or depth > most:
            raise self._broken("a file's extents")
        nodes = 0
        for at in range(12, 12 + 12 * entries, 12):
            first, low, high, start = struct.unpack_from("<IHHI", node, at)
            if depth:
                child, child_high = struct.unpack_from("<IH", node, at + 4)
                block = self._at((child | child_high << 32) * self.super.block, self.super.block)
                nodes += 1 + self._collect(block, leaves, depth - 1)
            elif low <= _LONGEST:
                leaves.append((first, start | high << 32, low))
        return nodes

    def _lookup(self, folder: int, name: bytes) -> int | None:
        if not stat.S_ISDIR(self.facts(folder).mode):
            return None
        found = (each.inode for each in self.listed(folder) if os.fsencode(each.name) == name)
        return next(found, None)

    def _read_inode(self, inode: int) -> bytes:
        group, index = divmod(inode - 1, self._per_group)
        if not 0 < inode <= self.inodes:
            raise self._broken(f"inode {inode}")
        table = self._at((self._first + 1) * self.super.block + group * self._descriptor, self._descriptor)
        place = struct.unpack_from("<I", table, 8)[0]
        if self._wide:
            place |= struct.unpack_from("<I", table, 40)[0] << 32
        size = self.super.inode_size
        return self._at(place * self.super.block + index * size, size)

    def _at(self, place: int, length: int) -> bytes:
        data = os.pread(self._fd, length, self.offset + place)
        if len(data) != length:
            raise self._broken("something beyond its end")
        return data

    def _broken(self, what: str) -> JobError:
        return JobError(
            "bad_filesystem",
            f"the ext4 partition at byte {self.offset} of {self.image.name} has {what} that makes no sense; "
            "take another image",
        )


def _entries(block: bytes) -> Iterator[Ext4Entry]:
    """Of one block of a folder; index blocks look as if they were empty."""
    at = 0
    while at + 8 <= len(block):
        inode, length, size, kind = struct.unpack_from("<IHBB", block, at)
        name = os.fsdecode(block[at + 8 : at + 8 + size])
        if inode and name not in {"", ".", ".."}:
            yield Ext4Entry(name, inode, kind)
        at += max(length, 8)


def _pairs(data: bytes, at: int, base: int) -> Iterator[tuple[str, bytes]]:
    while at + 16 <= len(data) and any(data[at : at + 4]):
        length, index, offset, _, size = struct.unpack_from("<BBHII", data, at)
        name = os.fsdecode(data[at + 16 : at + 16 + length])
        yield _PREFIXES.get(index, "") + name, data[base + offset : base + offset + size]
        at += 16 + (length + 3 & ~3)


def _zeros(length: int) -> Iterator[bytes]:
    while length > 0:
        yield bytes(min(length, _STEP))
        length -= _STEP


def _needs_library(what: str) -> HostError:
    return HostError(
        "missing_library",
        f"libext2fs.so.2 cannot be loaded, and without it {what} cannot be read; "
        "install the package e2fsprogs on this host",
    )
