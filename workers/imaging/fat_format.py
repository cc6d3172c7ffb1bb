"""Makes an empty FAT16 or FAT32 volume inside an image; the same arguments give the same bytes."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Literal

from workers.errors import JobError
from workers.imaging.fat_names import ATTR_LABEL, FatTime, short_entry
from workers.imaging.fat_table import Geometry

_SECTOR = 512
_ROOT_ENTRIES = 512
_MEDIA = 0xF8
_LIMITS = {16: (4085, 65524), 32: (65525, 0x0FFF_FFF5)}
_NO_SYSTEM = b"\xcd\x18\xf4\xeb\xfd"  # int 18h: try the next device; if that comes back, halt


def format_fat(
    image: Path,
    offset: int,
    size: int,
    *,
    bits: Literal[16, 32],
    label: str,
    serial: int,
    now: int,
) -> None:
    """An empty volume of `size` bytes at byte `offset`; whatever lay in its tables is zeroed."""
    geometry = _geometry(size, bits)
    name = label.upper().encode("ascii").ljust(11)
    if len(name) != 11:
        raise ValueError(f"a FAT label has at most 11 characters: {label!r}")
    boot = _boot_sector(geometry, offset // _SECTOR, name, serial)
    first = 0xFFFF_FF00 | _MEDIA  # low bits: media; all ones: cleanly unmounted
    table = struct.pack("<III", first & 0x0FFF_FFFF, 0x0FFF_FFFF, 0x0FFF_FFFF)
    if bits == 16:
        table = struct.pack("<HH", first & 0xFFFF, 0xFFFF)
    fd = os.open(image, os.O_RDWR)
    try:
        _zero(fd, offset, geometry.data_start * _SECTOR + (geometry.cluster if bits == 32 else 0))
        os.pwrite(fd, boot, offset)
        if bits == 32:
            info = _info_sector(geometry.clusters - 1)
            os.pwrite(fd, info, offset + _SECTOR)
            os.pwrite(fd, boot + info, offset + 6 * _SECTOR)
        for number in range(geometry.tables):
            start = geometry.reserved + number * geometry.table_sectors
            os.pwrite(fd, table, offset + start * _SECTOR)
        root = geometry.position(2) if bits == 32 else geometry.root_start * _SECTOR
        os.pwrite(fd, short_entry(name, ATTR_LABEL, 0, 0, FatTime.at(now)), offset + root)
    finally:
        os.close(fd)


def _geometry(size: int, bits: Literal[16, 32]) -> Geometry:
    """The smallest clusters that give a legal number of them."""
    low, high = _LIMITS[bits]
    for per_cluster in (1, 2, 4, 8, 16, 32, 64):
        geometry = _with_clusters(size // _SECTOR, bits, per_cluster)
        if geometry.clusters < low:
            break
        if geometry.clusters <= min(high, 1 << 21):
            return geometry
    raise JobError("bad_size", f"{size} bytes cannot be a FAT{bits}; FAT32 needs at least 33 MiB")


def _with_clusters(total: int, bits: Literal[16, 32], per_cluster: int) -> Geometry:
    reserved = 32 if bits == 32 else 4
    roots = 0 if bits == 32 else _ROOT_ENTRIES
    room = total - reserved - roots * 32 // _SECTOR
    per_sector = _SECTOR * 8 // bits
    # Each table sector serves `per_sector` clusters; two tables; two entries are not clusters.
    tables = -(-(room + 2 * per_cluster) // (per_sector * per_cluster + 2))
    return Geometry(
        sector=_SECTOR,
        per_cluster=per_cluster,
        reserved=reserved,
        tables=2,
        table_sectors=tables,
        root_entries=roots,
        total=total,
        root_cluster=2 if bits == 32 else 0,
        info_sector=1 if bits == 32 else 0,
        active=None,
    )


def _boot_sector(geo: Geometry, hidden: int, label: bytes, serial: int) -> bytes:
    small = 0 if geo.wide or geo.total > 0xFFFF else geo.total
    common = struct.pack(
        "<3s8sHBHBHHBHHHII",
        b"\xeb\x58\x90" if geo.wide else b"\xeb\x3c\x90",
        b"IMAGER  ",
        geo.sector,
        geo.per_cluster,
        geo.reserved,
        geo.tables,
        geo.root_entries,
        small,
        _MEDIA,
        0 if geo.wide else geo.table_sectors,
        63,
        255,
        hidden,
        0 if small else geo.total,
    )
    tail = struct.pack("<BBBI11s8s", 0x80, 0, 0x29, serial, label, b"FAT32   " if geo.wide else b"FAT16   ")
    wide = struct.pack("<IHHIHH12x", geo.table_sectors, 0, 0, geo.root_cluster, geo.info_sector, 6)
    sector = common + (wide if geo.wide else b"") + tail + _NO_SYSTEM
    return sector.ljust(510, b"\0") + b"\x55\xaa"


def _info_sector(free: int) -> bytes:
    return struct.pack("<I480xIII12xI", 0x41615252, 0x61417272, free, 3, 0xAA55_0000)


def _zero(fd: int, offset: int, length: int) -> None:
    """Zeros over what is there; what reads as zeros already is left alone, so that holes stay."""
    step = 1 << 20
    for at in range(offset, offset + length, step):
        piece = min(step, offset + length - at)
        if os.pread(fd, piece, at).strip(b"\0"):
            os.pwrite(fd, bytes(piece), at)
