"""A GPT inside an image: read, and rewritten when its last partition grows with the image.

Both copies are written: the backup goes to the image's new end. All GUIDs, names and attributes stay.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass, replace
from typing import Final

from workers.errors import JobError
from workers.imaging.alloc_ext4 import Pread
from workers.imaging.mbr import GPT_GUARD, LINUX, SECTOR, Partition
from workers.imaging.ranges import Range

TAIL: Final = 1 << 20  # bytes kept free behind the last partition: 33 sectors are needed, whole MiB are nicer
_HEADER: Final = struct.Struct("<8sIII4xQQQQ16sQIII")
_SIGNATURE: Final = b"EFI PART"
_ENTRY_MIN: Final = 128
_MOST_ENTRIES: Final = 1024
_ENTRY_MAX: Final = 4096
_FARTHEST: Final = 1 << 53  # sectors: more bytes than any file can have
_TABLE: Final = 446


@dataclass(frozen=True)
class Table:
    """The header's numbers (sectors) and all entries as they are."""

    revision: int
    length: int
    own: int
    other: int
    first: int
    last: int
    disk: bytes
    entries_at: int
    count: int
    entry: int
    entries: bytes

    def header(self) -> bytes:
        """With its checksums."""
        crc = zlib.crc32(self.entries)
        fields = (
            self.own,
            self.other,
            self.first,
            self.last,
            self.disk,
            self.entries_at,
            self.count,
            self.entry,
        )
        blank = _HEADER.pack(_SIGNATURE, self.revision, self.length, 0, *fields, crc).ljust(
            self.length, b"\0"
        )
        own = zlib.crc32(blank)
        return _HEADER.pack(_SIGNATURE, self.revision, self.length, own, *fields, crc).ljust(SECTOR, b"\0")


def is_gpt(sector: bytes) -> bool:
    """Whether a first sector shields a GPT."""
    return any(sector[_TABLE + 16 * number + 4] == GPT_GUARD for number in range(4))


def parse(pread: Pread, size: int) -> list[Partition]:
    """Partitions, ascending by start; `kind` says LINUX of all.

    JobError `bad_partition_table`, `hybrid_table` or `image_cut`.
    """
    table = _read(pread)
    found = []
    for number in range(table.count):
        first, last = struct.unpack_from("<QQ", table.entries, number * table.entry + 32)
        if any(table.entries[number * table.entry : number * table.entry + 16]):
            found.append(Partition(number + 1, LINUX, first * SECTOR, (last + 1 - first) * SECTOR))
    found.sort(key=lambda each: each.start)
    taken = (table.entries_at * SECTOR) + len(table.entries)
    for each in found:
        if each.start < taken or each.length <= 0:
            raise _bad(f"partition {each.number} begins inside what is before it")
        taken = each.end
    if taken > size:
        raise JobError(
            "image_cut",
            f"Its partitions end at byte {taken} but the image has only {size} bytes; "
            "the image is cut: fetch or make it again.",
        )
    return found


def backup(pread: Pread, size: int) -> Range | None:
    """Where the second copy lies, entries included: all of it matters, zeros too. None: not in the image."""
    table = _read(pread)
    room = -(-len(table.entries) // SECTOR)
    found = Range((table.other - room) * SECTOR, (room + 1) * SECTOR)
    return found if found.offset >= 0 and found.end <= size else None


def resize(fd: int, number: int, length: int) -> None:
    """Give partition `number` a new length (bytes) in an image that is big enough for it and the backup."""
    size = os.fstat(fd).st_size // SECTOR
    table = _read(lambda count, at: os.pread(fd, count, at))
    if number > table.count:
        raise JobError("partition_missing", f"The image has no partition {number} to resize.")
    at = (number - 1) * table.entry
    (first,) = struct.unpack_from("<Q", table.entries, at + 32)
    entries = bytearray(table.entries)
    struct.pack_into("<Q", entries, at + 40, first + length // SECTOR - 1)
    room = -(-len(entries) // SECTOR)
    last = size - room - 2
    if first + length // SECTOR - 1 > last:
        raise _bad(f"partition {number} would reach into the backup of the table")
    _forget_backup(fd, table, first)
    new = replace(table, other=size - 1, last=last, entries=bytes(entries))
    os.pwrite(fd, new.header(), SECTOR)
    os.pwrite(fd, new.entries, new.entries_at * SECTOR)
    backup = replace(new, own=size - 1, other=1, entries_at=size - 1 - room)
    os.pwrite(fd, backup.entries, backup.entries_at * SECTOR)
    os.pwrite(fd, backup.header(), backup.own * SECTOR)
    _guard(fd, size)


def _read(pread: Pread) -> Table:
    guard = pread(SECTOR, 0)
    kinds = [guard[_TABLE + 16 * number + 4] for number in range(4)]
    if any(kind not in {0, GPT_GUARD} for kind in kinds):
        raise JobError(
            "hybrid_table",
            "The image has a hybrid partition table (GPT and MBR at once), which can contradict itself; "
            "convert it to one of them (gdisk: r, o or g) and use that.",
        )
    raw = pread(SECTOR, SECTOR)
    if len(raw) < SECTOR or raw[:8] != _SIGNATURE:
        raise _bad("its header is missing")
    _, revision, length, crc, own, other, first, last, disk, at, count, entry, entries_crc = (
        _HEADER.unpack_from(raw)
    )
    if not _HEADER.size <= length <= SECTOR:
        raise _bad("its header has an impossible length")
    if zlib.crc32(raw[:16] + bytes(4) + raw[20:length]) != crc:
        raise _bad("the checksum of its header does not hold")
    sound = _ENTRY_MIN <= entry <= _ENTRY_MAX and not entry % 8 and 0 < count <= _MOST_ENTRIES and own == 1
    if not sound or not 1 < at < _FARTHEST or other >= _FARTHEST:
        raise _bad("its numbers are impossible")
    entries = pread(count * entry, at * SECTOR)
    if len(entries) != count * entry or zlib.crc32(entries) != entries_crc:
        raise _bad("the checksum of its entries does not hold")
    return Table(revision, length, own, other, first, last, disk, at, count, entry, entries)


def _forget_backup(fd: int, table: Table, first: int) -> None:
    """The old backup would lie inside the partition now, which begins at sector `first`."""
    at, room = table.other * SECTOR, -(-len(table.entries) // SECTOR)
    if table.other - room >= first and os.pread(fd, 8, at) == _SIGNATURE:
        os.pwrite(fd, bytes(SECTOR), at)
        os.pwrite(fd, bytes(len(table.entries)), at - room * SECTOR)


def _guard(fd: int, size: int) -> None:
    """The entry of the MBR that covers the whole disk."""
    sector = os.pread(fd, SECTOR, 0)
    for number in range(4):
        if sector[_TABLE + 16 * number + 4] == GPT_GUARD:
            os.pwrite(fd, struct.pack("<I", min(size - 1, 0xFFFF_FFFF)), _TABLE + 16 * number + 12)


def _bad(what: str) -> JobError:
    return JobError(
        "bad_partition_table", f"The GPT of the image is damaged: {what}; fetch or make it again."
    )
