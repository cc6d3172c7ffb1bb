"""An ext4 reader in plain Python, written for the tests alone: it shares no code with the product.

Extents and fast links, linear folders (indexed ones read as such), attributes of inode and block.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Node:
    inode: int
    mode: int
    uid: int
    gid: int
    links: int
    ns: int
    content: bytes
    attributes: dict[str, bytes]
    indexed: bool


class Reader:
    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        sb = raw[1024:2048]
        assert sb[56:58] == b"\x53\xef"
        self.block = 1024 << struct.unpack_from("<I", sb, 24)[0]
        self.per_group = struct.unpack_from("<I", sb, 40)[0]
        self.inode_size = struct.unpack_from("<H", sb, 88)[0]
        self.descriptor = struct.unpack_from("<H", sb, 254)[0] if sb[96] & 0x80 else 32

    def at(self, block: int, count: int = 1) -> bytes:
        return self.raw[block * self.block : (block + count) * self.block]

    def inode(self, number: int) -> bytes:
        group, index = divmod(number - 1, self.per_group)
        start = (1 if self.block > 1024 else 2) * self.block + group * self.descriptor
        table = struct.unpack_from("<I", self.raw, start + 8)[0]
        place = table * self.block + index * self.inode_size
        return self.raw[place : place + self.inode_size]

    def extents(self, node: bytes) -> Iterator[tuple[int, int, int]]:
        magic, entries, _, depth = struct.unpack_from("<HHHH", node)
        assert magic == 0xF30A
        for number in range(entries):
            first, a, b, c = struct.unpack_from("<IHHI", node, 12 + 12 * number)
            if depth:
                child = struct.unpack_from("<I", node, 12 + 12 * number + 4)[0]
                yield from self.extents(self.at(child))
            else:
                assert a <= 32768
                yield first, b << 32 | c, a

    def content(self, raw: bytes, size: int) -> bytes:
        data = bytearray(size)
        for first, place, count in self.extents(raw[40:100]):
            piece = self.at(place, count)
            data[first * self.block : first * self.block + len(piece)] = piece
        assert not any(data[size:]), "what is behind a file's end in its last block is not zero"
        return bytes(data[:size])

    def node(self, number: int) -> Node:
        raw = self.inode(number)
        mode, uid, size, _, _, mtime = struct.unpack_from("<HHIIIi", raw)
        gid, links = struct.unpack_from("<HH", raw, 24)
        flags = struct.unpack_from("<I", raw, 32)[0]
        extra = struct.unpack_from("<I", raw, 136)[0]
        size |= struct.unpack_from("<I", raw, 108)[0] << 32 if stat.S_ISREG(mode) else 0
        fast = stat.S_ISLNK(mode) and size < 60
        return Node(
            number,
            mode,
            uid | struct.unpack_from("<H", raw, 120)[0] << 16,
            gid | struct.unpack_from("<H", raw, 122)[0] << 16,
            links,
            (mtime + ((extra & 3) << 32)) * 10**9 + (extra >> 2),
            raw[40 : 40 + size] if fast else self.content(raw, size),
            self.attributes(raw),
            bool(flags & 0x1000),
        )

    def attributes(self, raw: bytes) -> dict[str, bytes]:
        found = {}
        start = 128 + struct.unpack_from("<H", raw, 128)[0]
        if raw[start : start + 4] == struct.pack("<I", 0xEA020000):
            found.update(self.pairs(raw, start + 4, start + 4))
        block = struct.unpack_from("<I", raw, 104)[0]
        if block:
            found.update(self.pairs(self.at(block), 32, 0))
        return found

    @staticmethod
    def pairs(data: bytes, at: int, base: int) -> dict[str, bytes]:
        prefix = {1: "user.", 4: "trusted.", 6: "security."}
        found = {}
        while data[at : at + 4] != bytes(4):
            length, index, offset, _, size = struct.unpack_from("<BBHII", data, at)
            name = data[at + 16 : at + 16 + length].decode()
            found[prefix[index] + name] = data[base + offset : base + offset + size]
            at += 16 + (length + 3 & ~3)
        return found

    def folder(self, node: Node) -> dict[bytes, int]:
        found = {}
        for at in range(0, len(node.content), self.block):
            block, place = node.content[at : at + self.block], 0
            while place < self.block:
                number, length, size = struct.unpack_from("<IHB", block, place)
                if number and size:
                    found[block[place + 8 : place + 8 + size]] = number
                place += length
                assert length >= 8
            assert place == self.block
        return found

    def tree(self, number: int = 2, path: bytes = b"") -> Iterator[tuple[bytes, Node]]:
        node = self.node(number)
        yield path or b"/", node
        if stat.S_ISDIR(node.mode):
            for name, below in self.folder(node).items():
                if name not in {b".", b".."}:
                    yield from self.tree(below, path + b"/" + name)
