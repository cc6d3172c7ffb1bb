"""The superblock of an ext file system, as far as somebody has to know it before touching the rest."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workers.errors import JobError

SUPERBLOCK: Final = 1024  # offset and size
_MAGIC: Final = 0xEF53
_WIDE: Final = 0x80
_FLAGS, _CHECKSUM = 352, 1020
_SIGNED, _HASHES = 0x1, 0x3  # of the flags: hashes signed, signed or unsigned
_POLYNOMIAL: Final = 0x82F6_3B78

# (word, bit) of the features by the names that mke2fs and dumpe2fs use.
_COMPAT, _INCOMPAT, _RO = 92, 96, 100
FEATURES: Final[dict[str, tuple[int, int]]] = {
    "dir_prealloc": (_COMPAT, 0x1),
    "has_journal": (_COMPAT, 0x4),
    "ext_attr": (_COMPAT, 0x8),
    "resize_inode": (_COMPAT, 0x10),
    "dir_index": (_COMPAT, 0x20),
    "sparse_super2": (_COMPAT, 0x200),
    "fast_commit": (_COMPAT, 0x400),
    "stable_inodes": (_COMPAT, 0x800),
    "orphan_file": (_COMPAT, 0x1000),
    "filetype": (_INCOMPAT, 0x2),
    "needs_recovery": (_INCOMPAT, 0x4),
    "journal_dev": (_INCOMPAT, 0x8),
    "meta_bg": (_INCOMPAT, 0x10),
    "extent": (_INCOMPAT, 0x40),
    "64bit": (_INCOMPAT, 0x80),
    "mmp": (_INCOMPAT, 0x100),
    "flex_bg": (_INCOMPAT, 0x200),
    "ea_inode": (_INCOMPAT, 0x400),
    "metadata_csum_seed": (_INCOMPAT, 0x2000),
    "large_dir": (_INCOMPAT, 0x4000),
    "inline_data": (_INCOMPAT, 0x8000),
    "encrypt": (_INCOMPAT, 0x10000),
    "casefold": (_INCOMPAT, 0x20000),
    "sparse_super": (_RO, 0x1),
    "large_file": (_RO, 0x2),
    "huge_file": (_RO, 0x8),
    "uninit_bg": (_RO, 0x10),
    "dir_nlink": (_RO, 0x20),
    "extra_isize": (_RO, 0x40),
    "quota": (_RO, 0x100),
    "bigalloc": (_RO, 0x200),
    "metadata_csum": (_RO, 0x400),
    "read-only": (_RO, 0x1000),
    "project": (_RO, 0x2000),
    "shared_blocks": (_RO, 0x4000),
    "verity": (_RO, 0x8000),
    "orphan_present": (_RO, 0x10000),
}


@dataclass(frozen=True)
class Superblock:
    """What we need to know of a file system. `unknown`: feature bits that have no name here."""

    block: int
    blocks: int
    free_blocks: int
    free_inodes: int
    inode_size: int
    label: str
    uuid: bytes
    hash_seed: bytes
    hash_version: int
    unsigned_hash: bool
    features: frozenset[str]
    unknown: bool

    @property
    def size(self) -> int:
        return self.block * self.blocks

    @property
    def checksums(self) -> bool:
        return "metadata_csum" in self.features

    @classmethod
    def read(cls, image: Path, offset: int) -> Superblock:
        """At byte `offset` of the image; JobError `bad_filesystem` if there is none."""
        with image.open("rb") as file:
            file.seek(offset + SUPERBLOCK)
            raw = file.read(SUPERBLOCK)
        if len(raw) != SUPERBLOCK or struct.unpack_from("<H", raw, 56)[0] != _MAGIC or raw[24] > 6:
            raise JobError(
                "bad_filesystem",
                f"{image.name}: no ext4 file system at byte {offset}; take another base image",
            )
        return cls._parse(raw)

    @classmethod
    def _parse(cls, raw: bytes) -> Superblock:
        low, _, free_low, free_inodes = struct.unpack_from("<IIII", raw, 4)
        wide = bool(raw[_INCOMPAT] & _WIDE)
        high = struct.unpack_from("<I", raw, 336)[0] if wide else 0
        free_high = struct.unpack_from("<I", raw, 344)[0] if wide else 0
        words = {at: struct.unpack_from("<I", raw, at)[0] for at in (_COMPAT, _INCOMPAT, _RO)}
        features = frozenset(name for name, (at, bit) in FEATURES.items() if words[at] & bit)
        named = sum(bit for at, bit in FEATURES.values() if words[at] & bit)
        return cls(
            block=1024 << struct.unpack_from("<I", raw, 24)[0],
            blocks=low | high << 32,
            free_blocks=free_low | free_high << 32,
            free_inodes=free_inodes,
            inode_size=struct.unpack_from("<H", raw, 88)[0] or 128,
            label=raw[120:136].rstrip(b"\0").decode("utf-8", "replace"),
            uuid=raw[104:120],
            hash_seed=raw[236:252],
            hash_version=raw[252],
            unsigned_hash=bool(struct.unpack_from("<I", raw, 352)[0] & 2),
            features=features,
            unknown=named != sum(words.values()),
        )


def sign_hashes(image: Path, offset: int) -> None:
    """Make all copies of a superblock say that names are hashed as signed bytes.

    `mke2fs` writes down what the machine has that it runs on: x86 signed, ARM unsigned. Every system
    goes by what is written down; so the same image comes from both.
    """
    known = Superblock.read(image, offset)
    with image.open("r+b") as file:
        for group in _groups_with_superblocks(-(-known.blocks // (8 * known.block))):
            at = offset + group * 8 * known.block**2 + (0 if group else SUPERBLOCK)
            file.seek(at)
            raw = bytearray(file.read(SUPERBLOCK))
            (flags,) = struct.unpack_from("<I", raw, _FLAGS)
            if flags & _HASHES == _SIGNED:
                continue
            struct.pack_into("<I", raw, _FLAGS, flags & ~_HASHES | _SIGNED)
            if known.checksums:
                struct.pack_into("<I", raw, _CHECKSUM, _crc32c(raw[:_CHECKSUM]))
            file.seek(at)
            file.write(raw)


def _groups_with_superblocks(groups: int) -> Iterator[int]:
    """0, 1 and the powers of 3, 5 and 7: `sparse_super`."""
    yield from range(min(groups, 2))
    for base in (3, 5, 7):
        power = base
        while power < groups:
            yield power
            power *= base


def _crc32c(data: bytes | bytearray) -> int:
    """As ext4 has it: begun with ones, and not turned around at the end."""
    crc = 0xFFFF_FFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc
