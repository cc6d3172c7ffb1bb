"""The partition table of an image (MBR, four primary partitions): read and edited by ourselves."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workers.errors import JobError

SECTOR: Final = 512
FAT32_LBA: Final = 0x0C
LINUX: Final = 0x83
GPT_GUARD: Final = 0xEE  # the one entry that shields a GPT disk; may claim more than there is

_TABLE: Final = 446
_DISK_ID: Final = 440
_ENTRY: Final = struct.Struct("<B3sB3sII")
_SIGNATURE: Final = b"\x55\xaa"
_ACTIVE: Final = 0x80
_NO_CHS: Final = b"\xfe\xff\xff"  # "ask the LBA fields": cylinders end at 8 GB


@dataclass(frozen=True, slots=True)
class Partition:
    """One entry: number 1–4, type byte, start and length in bytes."""

    number: int
    kind: int
    start: int
    length: int
    active: bool = False

    @property
    def end(self) -> int:
        return self.start + self.length


def parse(sector: bytes, size: int | None = None) -> list[Partition]:
    """Partitions of a first sector, ascending by start.

    `size` is the image's: entries must fit in it. JobError `no_partition_table` if this is no MBR,
    `bad_partition_table` if it is one that contradicts itself, `image_cut` if the image is too short for it.
    """
    if len(sector) < SECTOR or sector[510:512] != _SIGNATURE:
        raise JobError("no_partition_table", "The image has no MBR partition table; give a full disk image.")
    found = [each for number in range(1, 5) if (each := _entry(sector, number))]
    found.sort(key=lambda each: each.start)
    _check(found, size)
    return found


def read(image: Path) -> list[Partition]:
    """The partitions of an image file, checked against its size."""
    with image.open("rb") as file:
        sector = file.read(SECTOR)
        size = file.seek(0, 2)
    return parse(sector, size)


def find(image: Path, number: int) -> Partition:
    """Partition `number` of an image, or JobError `partition_missing`."""
    for each in read(image):
        if each.number == number:
            return each
    raise JobError("partition_missing", f"{image.name} has no partition {number}; use another base image.")


def edited(sector: bytes, partition: Partition) -> bytes:
    """The sector with this partition's entry replaced; everything else, boot code too, as it was."""
    at = _TABLE + _ENTRY.size * (partition.number - 1)
    entry = _packed(partition)
    return sector[:at] + entry + sector[at + len(entry) :]


def resize(image: Path, number: int, length: int) -> Partition:
    """Give partition `number` a new length (bytes) in the table of an image that is big enough."""
    with image.open("r+b") as file:
        sector = file.read(SECTOR)
        size = file.seek(0, 2)
        old = next((each for each in parse(sector) if each.number == number), None)
        if old is None:
            raise JobError("partition_missing", f"{image.name} has no partition {number} to resize.")
        new = Partition(number, old.kind, old.start, length, old.active)
        changed = edited(sector, new)
        parse(changed, size)
        file.seek(0)
        file.write(changed)
    return new


def new_table(partitions: Iterable[Partition], disk_id: int) -> bytes:
    """A fresh first sector without boot code."""
    sector = bytes(_DISK_ID) + struct.pack("<I", disk_id) + bytes(66) + _SIGNATURE
    for each in partitions:
        sector = edited(sector, each)
    parse(sector)
    return sector


def _packed(partition: Partition) -> bytes:
    if partition.start % SECTOR or partition.length % SECTOR:
        raise ValueError(f"partition {partition.number} is not in whole sectors")
    return _ENTRY.pack(
        _ACTIVE if partition.active else 0,
        _NO_CHS,
        partition.kind,
        _NO_CHS,
        partition.start // SECTOR,
        partition.length // SECTOR,
    )


def _entry(sector: bytes, number: int) -> Partition | None:
    status, _, kind, _, start, count = _ENTRY.unpack_from(sector, _TABLE + _ENTRY.size * (number - 1))
    if status & ~_ACTIVE:
        raise JobError(
            "no_partition_table",
            f"The first sector is no MBR: entry {number} has status {status:#04x}; give a full disk image.",
        )
    if not kind or not count:
        return None
    return Partition(number, kind, start * SECTOR, count * SECTOR, bool(status))


def _check(partitions: list[Partition], size: int | None) -> None:
    taken = SECTOR
    for each in partitions:
        if each.start < taken:
            raise JobError(
                "bad_partition_table",
                f"Partition {each.number} begins at byte {each.start}, inside what is before it; "
                "the image is damaged: fetch or make it again.",
            )
        taken = each.end
        if size is not None and each.end > size and each.kind != GPT_GUARD:
            raise JobError(
                "image_cut",
                f"Partition {each.number} ends at byte {each.end} but the image has only {size} bytes; "
                "the image is cut: fetch or make it again.",
            )
