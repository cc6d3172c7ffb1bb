"""The blocks of an ext4 folder, written in one go: a plain list, or a tree of hashes where it is long.

Where entries of equal hash go on in the next block, the index says so in the lowest bit of the hash.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

KIND_FOLDER: Final = 2
Hash = Callable[[bytes], tuple[int, int]]  # name → major (lowest bit 0) and minor hash
Entry = tuple[bytes, int, int]  # name, inode, kind

_TAIL: Final = 12  # a block ends with room for its checksum, which the library fills in
_INDEX_TAIL: Final = 8
_ROOT_HEAD, _NODE_HEAD = 32, 8
_INFO: Final = struct.Struct("<IBBBB")
_INFO_LENGTH: Final = 8
_PAIR: Final = struct.Struct("<II")
_CONTINUED: Final = 1


class TooManyEntries(Exception):
    """More than a tree of two levels holds: some ten million."""


@dataclass(frozen=True)
class Layout:
    """How a file system wants its folders."""

    block: int
    checksums: bool
    hash_version: int  # of the index: 0 legacy, 1 half MD4, 2 TEA
    hash: Hash | None  # None: no indexes

    @property
    def root_limit(self) -> int:
        return self._limit(_ROOT_HEAD)

    @property
    def node_limit(self) -> int:
        return self._limit(_NODE_HEAD)

    def _limit(self, head: int) -> int:
        return (self.block - head - (_INDEX_TAIL if self.checksums else 0)) // _PAIR.size


def pack_folder(
    own: int, parent: int, entries: dict[bytes, tuple[int, int]], layout: Layout
) -> tuple[list[bytes], bool]:
    """The blocks of a folder, its `.` and `..` included, and whether they are indexed."""
    dots = [(b".", own, KIND_FOLDER), (b"..", parent, KIND_FOLDER)]
    rows = [(name, inode, kind) for name, (inode, kind) in entries.items()]
    plain = list(_blocks([*dots, *rows], layout))
    if len(plain) == 1 or layout.hash is None:
        return [_packed(each, layout) for each in plain], False
    return list(_indexed(own, parent, rows, layout, layout.hash)), True


def _indexed(own: int, parent: int, rows: list[Entry], layout: Layout, hashed: Hash) -> Iterator[bytes]:
    hashes = {name: hashed(name) for name, _, _ in rows}
    leaves = list(_blocks(sorted(rows, key=lambda row: hashes[row[0]]), layout))
    firsts = [0, *(hashes[leaf[0][0]][0] for leaf in leaves[1:])]
    for number, (before, leaf) in enumerate(pairwise(leaves), 1):
        if hashes[before[-1][0]][0] == hashes[leaf[0][0]][0]:
            firsts[number] |= _CONTINUED
    groups = _groups(len(leaves), layout)
    start = 1 + len(groups)  # block of the first leaf
    pairs = [(first, start + number) for number, first in enumerate(firsts)]
    below = [(firsts[group[0]], 1 + number) for number, group in enumerate(groups)] or pairs
    yield _root(own, parent, below, layout, levels=int(bool(groups)))
    for group in groups:
        yield _node([pairs[number] for number in group], layout)
    for leaf in leaves:
        yield _packed(leaf, layout)


def _groups(leaves: int, layout: Layout) -> list[range]:
    """Which leaves each node of the second level leads to; none if the root has room for all."""
    if leaves <= layout.root_limit:
        return []
    size = layout.node_limit
    groups = [range(at, min(at + size, leaves)) for at in range(0, leaves, size)]
    if len(groups) > layout.root_limit:
        raise TooManyEntries
    return groups


def _root(own: int, parent: int, pairs: Sequence[tuple[int, int]], layout: Layout, *, levels: int) -> bytes:
    head = _entry(b".", own, KIND_FOLDER, 12) + _entry(b"..", parent, KIND_FOLDER, layout.block - 12)
    head += _INFO.pack(0, layout.hash_version, _INFO_LENGTH, levels, 0)
    return (head + _pairs(pairs, layout.root_limit)).ljust(layout.block, b"\0")


def _node(pairs: Sequence[tuple[int, int]], layout: Layout) -> bytes:
    head = struct.pack("<IHBB", 0, layout.block, 0, 0)
    return (head + _pairs(pairs, layout.node_limit)).ljust(layout.block, b"\0")


def _pairs(pairs: Sequence[tuple[int, int]], limit: int) -> bytes:
    """The first pair needs no hash: limit and count stand in its place."""
    first = struct.pack("<HHI", limit, len(pairs), pairs[0][1])
    return first + b"".join(_PAIR.pack(*pair) for pair in pairs[1:])


def _blocks(rows: Iterable[Entry], layout: Layout) -> Iterator[list[Entry]]:
    """Rows in blocks, each as full as it gets."""
    room = layout.block - (_TAIL if layout.checksums else 0)
    block: list[Entry] = []
    used = 0
    for row in rows:
        length = _length(row[0])
        if block and used + length > room:
            yield block
            block, used = [], 0
        block.append(row)
        used += length
    yield block


def _packed(rows: list[Entry], layout: Layout) -> bytes:
    """A block of entries; the last one reaches to the block's tail."""
    end = layout.block - (_TAIL if layout.checksums else 0)
    *before, (name, inode, kind) = rows
    data = b"".join(_entry(each, number, sort, _length(each)) for each, number, sort in before)
    data += _entry(name, inode, kind, end - len(data)).ljust(end - len(data), b"\0")
    return data + (struct.pack("<IHBBI", 0, _TAIL, 0, 0xDE, 0) if layout.checksums else b"")


def _entry(name: bytes, inode: int, kind: int, length: int) -> bytes:
    return struct.pack("<IHBB", inode, length, len(name), kind) + name.ljust(_length(name) - 8, b"\0")


def _length(name: bytes) -> int:
    return 8 + (len(name) + 3 & ~3)
