"""What is on a card now, in one line: for the person who is asked whether it may be overwritten."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from workers.imaging.labels import Read, recognise
from workers.imaging.sizes import readable

_SECTORS: Final = (512, 4096)
_MBR_TABLE: Final = 446
_MBR_ENTRY: Final = struct.Struct("<B3xB3xII")
_EXTENDED: Final = (0x05, 0x0F, 0x85)
_GPT_GUARD: Final = 0xEE
_GPT_ENTRY_MIN: Final = 128
_GPT_MAX: Final = 128
_SHOWN: Final = 8
_PROBE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """A partition as the card's own table tells it, in bytes."""

    start: int
    size: int


def describe(path: str, size: int) -> str:
    """`MBR: FAT32 “bootfs” 268 MB, ext4 “rootfs” 2.1 GB`; OSError when the device cannot be read."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        return describe_by(lambda offset, length: _read_at(handle, offset, length, size), size)
    finally:
        os.close(handle)


def parts(path: str, size: int) -> list[tuple[str, Part]]:
    """The partitions of a card by its own table, each with its file system's name; OSError as above."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:

        def read(offset: int, length: int) -> bytes:
            return _read_at(handle, offset, length, size)

        return [(_named(part, read), part) for part in _table(read)[1]]
    finally:
        os.close(handle)


def describe_by(read: Read, size: int) -> str:
    """The same by any reader."""
    if found := recognise(read):
        return f"{found}, no partition table"
    table, parts = _table(read)
    if table:
        return f"{table}: {_listed(parts, read)}" if parts else f"{table} without partitions"
    return "nothing recognised" if any(read(0, min(size, _PROBE))) else "blank"


def _table(read: Read) -> tuple[str, list[Part]]:
    sector = read(0, 512)
    if len(sector) < 512 or sector[510:512] != b"\x55\xaa":
        return "", []
    entries = list(_mbr(sector))
    if any(kind == _GPT_GUARD for kind, _ in entries):
        for size in _SECTORS:
            if read(size, 8) == b"EFI PART":
                return "GPT", list(_gpt(read, size))
        return "damaged GPT", []
    return "MBR", [part for kind, part in entries if kind not in _EXTENDED]


def _mbr(sector: bytes) -> Iterator[tuple[int, Part]]:
    for number in range(4):
        _active, kind, start, count = _MBR_ENTRY.unpack_from(sector, _MBR_TABLE + 16 * number)
        if kind and count:
            yield kind, Part(start * 512, count * 512)


def _gpt(read: Read, sector: int) -> Iterator[Part]:
    entries_at, count, length = struct.unpack_from("<QII", read(sector, 92).ljust(92, b"\0"), 72)
    if not _GPT_ENTRY_MIN <= length <= 4096:
        return
    count = min(count, _GPT_MAX)
    raw = read(entries_at * sector, count * length)
    for at in range(0, len(raw) - length + 1, length):
        first, last = struct.unpack_from("<QQ", raw, at + 32)
        if any(raw[at : at + 16]) and last >= first:
            yield Part(first * sector, (last - first + 1) * sector)


def _listed(parts: list[Part], read: Read) -> str:
    words = [f"{_named(part, read)} {readable(part.size)}" for part in parts[:_SHOWN]]
    if len(parts) > _SHOWN:
        words.append(f"{len(parts) - _SHOWN} more")
    return ", ".join(words)


def _named(part: Part, read: Read) -> str:
    found = recognise(
        lambda offset, length: read(part.start + offset, max(0, min(length, part.size - offset)))
    )
    return str(found) if found else "unknown"


def _read_at(handle: int, offset: int, length: int, size: int) -> bytes:
    """Up to `length` bytes; nothing beyond the device, however wild a table on it may be."""
    if offset >= size or length <= 0:
        return b""
    return os.pread(handle, min(length, size - offset), offset)
