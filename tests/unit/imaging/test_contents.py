from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from tests.doubles.cards import MIB, tool
from workers.imaging.contents import describe, describe_by
from workers.imaging.labels import FileSystem, recognise


class Medium:
    """Bytes at places, zeros elsewhere."""

    def __init__(self, size: int = 8 * MIB) -> None:
        self.data = bytearray(size)

    def put(self, offset: int, data: bytes) -> Medium:
        self.data[offset : offset + len(data)] = data
        return self

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self.data[offset : offset + length])

    def described(self) -> str:
        return describe_by(self.read, len(self.data))

    def mbr(self, *entries: tuple[int, int, int]) -> Medium:
        """(type, first sector, sectors) each."""
        for number, (kind, start, count) in enumerate(entries):
            self.put(446 + 16 * number, struct.pack("<B3xB3xII", 0, kind, start, count))
        return self.put(510, b"\x55\xaa")

    def ext(self, at: int, label: bytes, incompat: int = 0x2C2, compat: int = 0x3C) -> Medium:
        self.put(at + 0x438, b"\x53\xef").put(at + 0x478, label)
        return self.put(at + 0x45C, struct.pack("<II", compat, incompat))

    def fat32(self, at: int, boot_label: bytes, root_label: bytes = b"") -> Medium:
        head = bytearray(512)
        struct.pack_into("<HBHBH", head, 11, 512, 1, 32, 2, 0)
        struct.pack_into("<I", head, 36, 100)
        struct.pack_into("<I", head, 44, 2)
        head[71:82] = boot_label.ljust(11)
        head[82:90] = b"FAT32   "
        head[510:512] = b"\x55\xaa"
        self.put(at, bytes(head))
        if root_label:
            long_name = b"\x41" + bytes(10) + b"\x0f" + bytes(20)
            deleted = b"\xe5LDLABEL   " + b"\x08" + bytes(20)
            label = root_label.ljust(11) + b"\x08" + bytes(20)
            self.put(at + (32 + 200) * 512, long_name + deleted + label)
        return self

    def exfat(self, at: int, label: str) -> Medium:
        head = bytearray(512)
        head[3:11] = b"EXFAT   "
        struct.pack_into("<III", head, 88, 64, 100, 5)
        head[108], head[109] = 9, 3
        self.put(at, bytes(head))
        name = label.encode("utf-16-le")
        entry = bytes([0x83, len(label)]) + name.ljust(30, b"\0")
        return self.put(at + 64 * 512 + 3 * 4096, entry)


def test_a_new_card_from_the_shop() -> None:
    medium = Medium().mbr((0x0C, 8, 15000)).fat32(8 * 512, b"NO NAME", b"KODAK")
    assert medium.described() == "MBR: FAT32 “KODAK” 7.68 MB"


def test_a_hotspot_card() -> None:
    medium = Medium().mbr((0x0C, 2048, 2048), (0x83, 4096, 2048), (0x83, 8192, 4096))
    medium.fat32(2048 * 512, b"bootfs").ext(4096 * 512, b"rootfs").ext(8192 * 512, b"data")
    assert medium.described() == "MBR: FAT32 “bootfs” 1.05 MB, ext4 “rootfs” 1.05 MB, ext4 “data” 2.1 MB"


def test_a_camera_card_without_partitions() -> None:
    assert Medium().exfat(0, "Fotos").described() == "exFAT “Fotos”, no partition table"


def test_a_blank_card() -> None:
    assert Medium().described() == "blank"


def test_something_that_we_do_not_know() -> None:
    assert Medium().put(70000, b"what is it").described() == "nothing recognised"


def test_an_empty_table_and_unknown_partitions() -> None:
    assert Medium().mbr().described() == "MBR without partitions"
    assert Medium().mbr((0x83, 2048, 2048)).described() == "MBR: unknown 1.05 MB"


def test_extended_partitions_are_not_listed_as_such() -> None:
    assert Medium().mbr((0x0F, 2048, 2048), (0x83, 6000, 10)).described() == "MBR: unknown 5.12 kB"


@pytest.mark.parametrize("sector", [512, 4096])
def test_gpt_in_both_sector_sizes(sector: int) -> None:
    medium = Medium().mbr((0xEE, 1, 0xFFFFFFFF))
    header = bytearray(92)
    header[:8] = b"EFI PART"
    struct.pack_into("<QII", header, 72, 2, 128, 128)
    medium.put(sector, bytes(header))
    entry = b"\x01" * 16 + bytes(16) + struct.pack("<QQ", 40, 40 + 99)
    medium.put(2 * sector, entry.ljust(128, b"\0")).ext(40 * sector, b"root")
    assert medium.described().startswith("GPT: ext4 “root” ")


def test_a_gpt_without_its_header_is_damaged() -> None:
    assert Medium().mbr((0xEE, 1, 100)).described() == "damaged GPT without partitions"


@pytest.mark.parametrize(
    ("incompat", "compat", "kind"), [(0x2C2, 0x3C, "ext4"), (0x2, 0x3C, "ext3"), (0x2, 0x38, "ext2")]
)
def test_generations_of_ext(incompat: int, compat: int, kind: str) -> None:
    assert recognise(Medium().ext(0, b"x", incompat, compat).read) == FileSystem(kind, "x")


@pytest.mark.parametrize(
    ("offset", "magic", "words"),
    [
        (0, b"LUKS\xba\xbe", "LUKS (encrypted)"),
        (3, b"NTFS    ", "NTFS"),
        (4086, b"SWAPSPACE2", "swap"),
        (512, b"LABELONE", "LVM"),
        (0x10040, b"_BHRfS_M", "Btrfs"),
        (0x8001, b"CD001", "ISO 9660"),
        (0, b"hsqs", "squashfs"),
    ],
)
def test_other_owners_are_named(offset: int, magic: bytes, words: str) -> None:
    assert Medium().put(offset, magic).described() == f"{words}, no partition table"


def test_labels_beside_other_magics() -> None:
    assert recognise(Medium().put(0, b"XFSB").put(108, b"box").read) == FileSystem("XFS", "box")
    assert recognise(Medium().put(0x10040, b"_BHRfS_M").put(0x1012B, b"pool").read) == FileSystem(
        "Btrfs", "pool"
    )


def test_a_label_cannot_paint_the_terminal() -> None:
    found = recognise(Medium().ext(0, b"a\x1b[2J\x07b").read)
    assert found is not None
    assert found.label == "a[2Jb"


@pytest.mark.parametrize("seed", range(20))
def test_wild_numbers_on_a_card_do_no_harm(seed: int) -> None:
    import random

    medium = Medium(MIB)
    medium.data[:65536] = random.Random(seed).randbytes(65536)
    head = [b"EXFAT   ", b"MSDOS5.0"][seed % 2]
    medium.put(3, head).put(82, b"FAT32   ").put(510, b"\x55\xaa")
    assert medium.described()


def test_a_table_that_points_beyond_the_card(tmp_path: Path) -> None:
    path = tmp_path / "card"
    path.write_bytes(bytes(Medium(MIB).mbr((0x0C, 0xFFFFFFF0, 0xFFFFFFF0)).data))
    assert describe(str(path), MIB).startswith("MBR: unknown")


def test_describe_does_not_follow_links(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic"):
        describe(str(tmp_path / "link"), 100)


def test_what_mke2fs_makes_is_recognised(tmp_path: Path) -> None:
    mke2fs = tool("mke2fs")
    assert mke2fs, "e2fsprogs is part of every Debian"
    path = tmp_path / "ext4"
    subprocess.run([mke2fs, "-q", "-t", "ext4", "-L", "daten", str(path), "8M"], check=True)
    assert describe(str(path), 8 * MIB) == "ext4 “daten”, no partition table"


def test_what_mkfs_vfat_makes_is_recognised(tmp_path: Path) -> None:
    mkfs = tool("mkfs.vfat")
    if mkfs is None:
        pytest.skip("dosfstools is not installed")
    path = tmp_path / "fat"
    subprocess.run(
        [mkfs, "-F", "16", "-n", "KARTE", "-C", str(path), "16384"], check=True, capture_output=True
    )
    assert describe(str(path), 16 * MIB) == "FAT16 “KARTE”, no partition table"
