"""The blocks of an ext4 folder, written in one go."""

from __future__ import annotations

import struct
from typing import Final

_TAIL: Final = 12  # a block ends with room for its checksum, which the library fills in


def pack_folder(entries: dict[bytes, tuple[int, int]], block: int) -> list[bytes]:
    """Directory blocks of these entries; the last entry of each block reaches to its tail."""
    end = block - _TAIL
    groups: list[list[bytes]] = [[]]
    used = 0
    for name, (inode, kind) in entries.items():
        length = 8 + (len(name) + 3 & ~3)
        if used + length > end:
            groups.append([])
            used = 0
        groups[-1].append(
            struct.pack("<IHBB", inode, length, len(name), kind) + name.ljust(length - 8, b"\0")
        )
        used += length
    tail = struct.pack("<IHBBI", 0, _TAIL, 0, 0xDE, 0)
    return [_stretched(group, end) + tail for group in groups]


def _stretched(group: list[bytes], end: int) -> bytes:
    last = bytearray(group[-1].ljust(end - sum(map(len, group[:-1])), b"\0"))
    struct.pack_into("<H", last, 4, len(last))
    return b"".join(group[:-1]) + bytes(last)
