"""The partition table of an image, be it an MBR or a GPT."""

from __future__ import annotations

import os
from pathlib import Path

from workers.errors import JobError
from workers.imaging import gpt, mbr
from workers.imaging.alloc_ext4 import Pread
from workers.imaging.mbr import SECTOR, Partition
from workers.imaging.ranges import Range


def parse(pread: Pread, size: int) -> list[Partition]:
    """Partitions of whatever can be read like an image, ascending by start; JobErrors of `mbr` and `gpt`."""
    sector = pread(SECTOR, 0)
    found = mbr.parse(sector, size)
    return gpt.parse(pread, size) if gpt.is_gpt(sector) else found


def backup(pread: Pread, size: int) -> list[Range]:
    """Where the table has a second copy of itself, in an image of `size` bytes."""
    found = gpt.backup(pread, size) if gpt.is_gpt(pread(SECTOR, 0)) else None
    return [found] if found else []


def read(image: Path) -> list[Partition]:
    """The partitions of an image file, checked against its size."""
    with image.open("rb") as file:
        fd = file.fileno()
        return parse(lambda length, offset: os.pread(fd, length, offset), os.fstat(fd).st_size)


def tail(image: Path) -> int:
    """Bytes at the end of an image that its partitions must leave to the table."""
    with image.open("rb") as file:
        return gpt.TAIL if gpt.is_gpt(file.read(SECTOR)) else 0


def largest(image: Path) -> int | None:
    """The most bytes that a partition of such a table can have; None: no limit that matters."""
    return None if tail(image) else 0xFFFF_FFFF * SECTOR


def resize(image: Path, number: int, length: int) -> None:
    """Give the last partition a new length (bytes); the image has its new size already."""
    if not tail(image):
        mbr.resize(image, number, length)
        return
    fd = os.open(image, os.O_RDWR | os.O_CLOEXEC)
    try:
        gpt.resize(fd, number, length)
    finally:
        os.close(fd)
    if number not in {each.number for each in read(image)}:
        raise JobError("partition_missing", f"{image.name} has no partition {number} to resize.")
