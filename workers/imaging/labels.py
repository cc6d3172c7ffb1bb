"""Which file system begins at a place, and the label that its owner gave it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

# (offset, length) → bytes; fewer at the end of the device, never an error there.
Read = Callable[[int, int], bytes]

_HEAD: Final = 4096
_MAX_DIRECTORY: Final = 64 * 1024
_MAGICS: Final[tuple[tuple[int, bytes, str], ...]] = (
    (0, b"LUKS\xba\xbe", "LUKS (encrypted)"),
    (0, b"XFSB", "XFS"),
    (0, b"hsqs", "squashfs"),
    (3, b"NTFS    ", "NTFS"),
    (512, b"LABELONE", "LVM"),
    (4086, b"SWAPSPACE2", "swap"),
)
_XFS_LABEL: Final = (108, 12)
_BTRFS: Final = (0x10040, b"_BHRfS_M", 0x1012B, 256)
_ISO: Final = (0x8001, b"CD001", 0x8028, 32)
_VOLUME_LABEL: Final = 0x08
_LONG_NAME: Final = 0x0F
_EXFAT_LABEL: Final = 0x83


@dataclass(frozen=True, slots=True)
class FileSystem:
    """`kind` as people say it (`FAT32`, `ext4`), and its label, maybe empty."""

    kind: str
    label: str = ""

    def __str__(self) -> str:
        return f"{self.kind} “{self.label}”" if self.label else self.kind


def recognise(read: Read) -> FileSystem | None:
    """The file system at the beginning of what `read` reads, if it is one that we know."""
    head = read(0, _HEAD).ljust(_HEAD, b"\0")
    for attempt in (_ext, _exfat, _fat):
        if found := attempt(head, read):
            return found
    for offset, magic, kind in _MAGICS:
        if head[offset : offset + len(magic)] == magic:
            label = _text(head[_XFS_LABEL[0] : sum(_XFS_LABEL)]) if kind == "XFS" else ""
            return FileSystem(kind, label)
    for kind, (at, magic, label_at, length) in (("Btrfs", _BTRFS), ("ISO 9660", _ISO)):
        if read(at, len(magic)) == magic:
            return FileSystem(kind, _text(read(label_at, length)))
    return None


def _ext(head: bytes, _read: Read) -> FileSystem | None:
    if head[0x438:0x43A] != b"\x53\xef":
        return None
    compat, incompat = struct.unpack_from("<II", head, 0x45C)
    kind = "ext4" if incompat & 0x2C0 else "ext3" if compat & 0x4 else "ext2"
    return FileSystem(kind, _text(head[0x478:0x488]))


def _fat(head: bytes, read: Read) -> FileSystem | None:
    wide = head[82:87] == b"FAT32"
    if head[510:512] != b"\x55\xaa" or not (wide or head[54:57] == b"FAT"):
        return None
    kind = "FAT32" if wide else head[54:59].decode("ascii", "replace").strip()
    boot_label = _text(head[71:82] if wide else head[43:54])
    label = _fat_root_label(head, read, wide=wide) or boot_label
    return FileSystem(kind, "" if label == "NO NAME" else label)


def _fat_root_label(head: bytes, read: Read, *, wide: bool) -> str:
    sector, cluster, reserved, fats, entries = struct.unpack_from("<HBHBH", head, 11)
    fat_sectors = struct.unpack_from("<I" if wide else "<H", head, 36 if wide else 22)[0]
    start = (reserved + fats * fat_sectors) * sector
    length = entries * 32
    if wide:
        root = struct.unpack_from("<I", head, 44)[0]
        length = cluster * sector
        start += max(0, root - 2) * length
    for entry in _entries(read(start, min(length, _MAX_DIRECTORY))):
        attributes = entry[11]
        if attributes & _VOLUME_LABEL and attributes != _LONG_NAME and entry[0] != 0xE5:
            return _text(entry[:11])
    return ""


def _exfat(head: bytes, read: Read) -> FileSystem | None:
    if head[3:11] != b"EXFAT   ":
        return None
    heap, _clusters, root = struct.unpack_from("<III", head, 88)
    sector_shift, cluster_shift = head[108], head[109]
    if sector_shift > 12 or cluster_shift > 25 or root < 2:
        return FileSystem("exFAT")
    cluster = 1 << (sector_shift + cluster_shift)
    start = (heap << sector_shift) + (root - 2) * cluster
    for entry in _entries(read(start, min(cluster, _MAX_DIRECTORY))):
        if entry[0] == _EXFAT_LABEL:
            name = entry[2 : 2 + 2 * min(entry[1], 11)]
            return FileSystem("exFAT", name.decode("utf-16-le", "replace").strip())
    return FileSystem("exFAT")


def _entries(directory: bytes) -> Iterator[bytes]:
    """The 32-byte entries up to the one that says that no more follow."""
    for at in range(0, len(directory) - 31, 32):
        if directory[at] == 0:
            return
        yield directory[at : at + 32]


def _text(raw: bytes) -> str:
    """A label as written on disk: ended by NUL, filled up with blanks, without control characters."""
    text = raw.split(b"\0", 1)[0].decode("utf-8", "replace").strip()
    return "".join(char for char in text if char.isprintable())
