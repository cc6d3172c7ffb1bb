"""Which bytes of a FAT16 or FAT32 file system are in use: its first FAT, read without mounting."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from workers.imaging.alloc_ext4 import Pread
from workers.imaging.ranges import Range

_BOOT: Final = struct.Struct("<3x8xHBHBHHBH4x4xIIH")
_ONE_FAT_LIVE: Final = 0x80  # FAT32: the copies differ and only one, not always the first, is true
_FAT12_BELOW: Final = 4085  # clusters
_FAT16_BELOW: Final = 65525


def is_fat(pread: Pread, start: int) -> bool:
    """Whether a FAT boot sector is there."""
    boot = pread(512, start)
    return (
        len(boot) == 512
        and boot[510:] == b"\x55\xaa"
        and boot[0] in {0xEB, 0xE9}
        and (boot[54:57] == b"FAT" or boot[82:87] == b"FAT32")
    )


def used(pread: Pread, start: int, length: int) -> tuple[list[Range], int] | None:
    """Ranges in use, and where the file system ends; offsets of the image.

    None if this is no FAT16/32, or its numbers contradict themselves.
    """
    if not is_fat(pread, start):
        return None
    boot = _BOOT.unpack_from(pread(512, start))
    sector, per_cluster, reserved, fats, root, few, _, fat16_size, many, fat32_size, live = boot
    fat_size = fat16_size or fat32_size
    sectors = few or many
    if sector not in {512, 1024, 2048, 4096} or not per_cluster or not fats or not fat_size:
        return None
    before = reserved + fats * fat_size + -(-root * 32 // sector)  # sectors up to the first cluster
    clusters = (sectors - before) // per_cluster
    # By the book the number of clusters tells the kind. Linux and the Raspberry Pi go by this field, and
    # images with a FAT32 of too few clusters do exist.
    width = 2 if fat16_size else 4
    if not fat16_size and live & _ONE_FAT_LIVE:
        return None
    if fat16_size and not _FAT12_BELOW <= clusters < _FAT16_BELOW:
        return None
    if clusters < 1 or sectors * sector > length or fat_size * sector < (clusters + 2) * width:
        return None
    fat = pread((clusters + 2) * width, start + reserved * sector)
    data = start + before * sector
    size = per_cluster * sector
    ranges = [Range(data + first * size, (last - first) * size) for first, last in _taken(fat, width)]
    return [Range(start, before * sector), *ranges], start + sectors * sector


def _taken(fat: bytes, width: int) -> Iterator[tuple[int, int]]:
    """Runs of clusters in use, counted from the first cluster of the data area."""
    entries = memoryview(fat).cast("H" if width == 2 else "I")[2:]
    first = None
    for number, entry in enumerate(entries):
        if entry & 0x0FFFFFFF:  # the upper four bits of FAT32 are not part of the entry
            first = number if first is None else first
        elif first is not None:
            yield first, number
            first = None
    if first is not None:
        yield first, len(entries)
