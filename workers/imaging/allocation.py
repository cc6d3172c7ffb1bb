"""The mapped ranges of an image: what its file systems use, zeros included (`docs/formats.md`).

No mount, no root: the file systems' own maps are read straight from the image.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from workers.errors import JobError
from workers.imaging import alloc_ext4, alloc_fat, mbr, table
from workers.imaging.alloc_ext4 import Pread
from workers.imaging.ranges import BLOCK, GRID, Range, cut, tidy
from workers.imaging.sparse import data_ranges

_ZEROS: Final = bytes(GRID)


def mapped_ranges(image: Path) -> list[Range]:
    """What of an image file must be on a card: ascending, whole blocks, cut on the 4 MiB grid, no digests.

    What we do not understand is mapped whole. JobError `image_cut` if partitions end behind the image.
    """
    with image.open("rb") as file:
        fd = file.fileno()
        size = os.fstat(fd).st_size
        return ranges_of(lambda length, offset: os.pread(fd, length, offset), size, data_ranges(fd, size))


def ranges_of(pread: Pread, size: int, data: list[Range] | None = None) -> list[Range]:
    """The same for anything that can be read like an image. `data`: where it may hold other than zeros."""
    data = [Range(0, size)] if data is None else data
    found = list(_partitions(pread, size, data))
    return tidy(found, size)


def _partitions(pread: Pread, size: int, data: list[Range]) -> Iterator[Range]:
    try:
        partitions = table.parse(pread, size)
    except JobError as error:
        if error.code == "image_cut":
            raise
        partitions = []
    if not partitions:  # nothing that we understand: all of it may matter
        yield Range(0, size)
        return
    yield Range(0, partitions[0].start)
    yield from table.backup(pread, size)
    end = partitions[0].start
    for each in partitions:
        yield from _holding_data(pread, end, each.start, data)
        ranges, end = _used(pread, each, size)
        yield from ranges
    yield from _holding_data(pread, end, size, data)


def _used(pread: Pread, partition: mbr.Partition, size: int) -> tuple[list[Range], int]:
    """Ranges in use in a partition, and where what uses it ends. Unknown or doubtful: the whole of it."""
    length = min(partition.length, size - partition.start)
    whole = [Range(partition.start, length)], partition.start + length
    if alloc_ext4.is_ext(pread, partition.start) and alloc_fat.is_fat(pread, partition.start):
        return whole
    return (
        alloc_ext4.used(pread, partition.start, length)
        or alloc_fat.used(pread, partition.start, length)
        or whole
    )


def _holding_data(pread: Pread, start: int, end: int, data: list[Range]) -> Iterator[Range]:
    """Blocks between `start` and `end`, which no file system claims, that are not all zeros."""
    for each in data:
        low, high = max(each.offset, start), min(each.end, end)
        if low < high:
            for piece in cut([Range(low, high - low)]):
                yield from _not_zero(pread(piece.length, piece.offset), piece.offset)


def _not_zero(data: bytes, offset: int) -> Iterator[Range]:
    if _ZEROS.startswith(data):
        return
    for at in range(0, len(data), BLOCK):
        block = data[at : at + BLOCK]
        if not _ZEROS.startswith(block):
            yield Range(offset + at, len(block))
