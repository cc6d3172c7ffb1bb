from __future__ import annotations

import os
import random
import struct
from pathlib import Path

import pytest

from tests.unit.imaging.images import MIB, make_ext, partitioned, run, sparse, used_blocks
from workers.errors import JobError
from workers.imaging.allocation import mapped_ranges, ranges_of
from workers.imaging.mbr import FAT32_LBA, GPT_GUARD, LINUX
from workers.imaging.ranges import BLOCK, GRID, Range, cut, merge, tidy, total

START = 4 * MIB


def mapped(image: Path, low: int, high: int) -> list[Range]:
    """What is mapped between two offsets, joined."""
    return [each for each in merge(mapped_ranges(image)) if each.end > low and each.offset < high]


def image_with(tmp_path: Path, length: int, kind: int = LINUX) -> Path:
    return partitioned(tmp_path / "a.img", START + length, (kind, START, length))


def patch(image: Path, offset: int, data: bytes) -> None:
    with image.open("r+b") as file:
        file.seek(offset)
        file.write(data)


# ext


@pytest.mark.parametrize(
    "options",
    [
        ("-t", "ext4"),
        ("-t", "ext4", "-b", "1024"),
        ("-t", "ext4", "-b", "2048", "-O", "^64bit"),
        ("-t", "ext4", "-O", "^flex_bg"),
        ("-t", "ext4", "-O", "^flex_bg,^resize_inode", "-b", "1024"),
        ("-t", "ext4", "-O", "sparse_super2,^resize_inode"),
        ("-t", "ext4", "-O", "^sparse_super,^resize_inode"),
        ("-t", "ext4", "-O", "^metadata_csum,uninit_bg"),
        ("-t", "ext4", "-O", "^metadata_csum,^uninit_bg"),
        ("-t", "ext4", "-E", "lazy_itable_init=1,packed_meta_blocks=1"),
        (
            "-t",
            "ext2",
        ),
        ("-t", "ext3", "-b", "1024"),
    ],
    ids=" ".join,
)
def test_ext_agrees_with_dumpe2fs(tmp_path: Path, options: tuple[str, ...]) -> None:
    length = 300 * MIB
    image = image_with(tmp_path, length)
    content = tmp_path / "content"
    content.mkdir()
    for number in range(40):
        (content / f"{number}").write_bytes(b"x" * random.Random(number).randrange(900_000))
    make_ext(image, START, length, "-d", str(content), *options)
    block, used = used_blocks(image, START)
    expected = [Range(0, START), *(Range(START + number * block, block) for number in used)]
    assert mapped_ranges(image) == tidy(expected, START + length)


def test_group_flags_mean_nothing_without_checksums(tmp_path: Path) -> None:
    image = image_with(tmp_path, 64 * MIB)
    make_ext(image, START, 64 * MIB, "-t", "ext4", "-b", "4096", "-O", "^metadata_csum,^uninit_bg")
    expected = mapped_ranges(image)
    patch(image, START + 4096 + 18, struct.pack("<H", 0x2))
    assert mapped_ranges(image) == expected


def test_blocks_of_unwritten_bitmaps_are_seldom_all(tmp_path: Path) -> None:
    """The table above holds only if some groups really have no bitmap."""
    image = image_with(tmp_path, 300 * MIB)
    make_ext(image, START, 300 * MIB, "-t", "ext4")
    assert "BLOCK_UNINIT" in run("dumpe2fs", f"{image}?offset={START}").stdout
    assert total(mapped_ranges(image)) < 60 * MIB


def test_a_zero_file_is_mapped_though_it_is_a_hole(tmp_path: Path) -> None:
    """A hole of the image file is not a free block."""
    image = image_with(tmp_path, 64 * MIB)
    make_ext(image, START, 64 * MIB, "-t", "ext4", "-b", "4096")
    before = total(mapped_ranges(image))
    run("debugfs", "-w", "-R", "write /dev/null z", f"{image}?offset={START}")
    run("debugfs", "-w", "-R", "fallocate /z 0 2047", f"{image}?offset={START}")
    assert total(mapped_ranges(image)) >= before + 2048 * 4096


@pytest.mark.parametrize("options", [("-O", "bigalloc"), ("-O", "meta_bg,^resize_inode")], ids=" ".join)
def test_maps_that_we_cannot_read_mean_the_whole_partition(tmp_path: Path, options: tuple[str, ...]) -> None:
    image = image_with(tmp_path, 64 * MIB)
    make_ext(image, START, 64 * MIB, "-t", "ext4", *options)
    assert total(mapped_ranges(image)) == START + 64 * MIB


def test_contradicting_superblocks_mean_the_whole_partition(tmp_path: Path) -> None:
    image = image_with(tmp_path, 64 * MIB)
    make_ext(image, START, 64 * MIB, "-t", "ext4", "-b", "4096", "-O", "^metadata_csum")
    good = image.read_bytes()[START : START + 8192]
    for offset, value in (
        (4, 2**31),
        (20, 2**31),
        (24, 7),
        (24, 2**32 - 1),
        (32, 0),
        (32, 2**31),
        (254 & ~3, 0),
    ):
        patch(image, START, good)
        patch(image, START + 1024 + offset, struct.pack("<I", value))
        assert total(mapped_ranges(image)) == START + 64 * MIB, offset
    patch(image, START, good)
    patch(image, START + 4096, struct.pack("<I", 2**30))  # the first group's bitmap, far outside
    assert total(mapped_ranges(image)) == START + 64 * MIB


def test_a_file_system_smaller_than_its_partition(tmp_path: Path) -> None:
    """What lies behind the file system counts only where it holds data."""
    image = image_with(tmp_path, 64 * MIB)
    make_ext(image, START, 32 * MIB, "-t", "ext4")
    assert not mapped(image, START + 32 * MIB, START + 64 * MIB)
    patch(image, START + 50 * MIB + 7, b"a superblock of something")
    assert mapped(image, START + 32 * MIB, START + 64 * MIB) == [Range(START + 50 * MIB, BLOCK)]


# FAT


def make_fat(image: Path, *, wide: bool, clusters: int, taken: list[int]) -> tuple[int, int]:
    """A FAT16 or FAT32 by hand, one sector per cluster; first byte of its data area, and its length."""
    width = 4 if wide else 2
    fat = -(-(clusters + 2) * width // 512)
    reserved, root = (32, 0) if wide else (1, 512)
    sectors = reserved + 2 * fat + root * 32 // 512 + clusters
    boot = bytearray(512)
    boot[0:3] = b"\xeb\x58\x90"
    struct.pack_into("<HBHBHHBH", boot, 11, 512, 1, reserved, 2, root, 0, 0xF8, 0 if wide else fat)
    struct.pack_into("<II", boot, 32, sectors, fat if wide else 0)
    boot[82:90] = b"FAT32   " if wide else bytes(8)
    boot[54:62] = bytes(8) if wide else b"FAT16   "
    boot[510:] = b"\x55\xaa"
    table = bytearray(fat * 512)
    struct.pack_into("<II" if wide else "<HH", table, 0, 0x0FFFFFF8 & (2 ** (8 * width) - 1), 0xFFFF)
    for cluster in taken:
        struct.pack_into("<I" if wide else "<H", table, cluster * width, 0xFFF8)
    patch(image, START, bytes(boot))
    patch(image, START + reserved * 512, bytes(table) * 2)
    return START + (sectors - clusters) * 512, sectors * 512


@pytest.mark.parametrize(
    ("wide", "clusters"), [(False, 4085), (False, 65524), (True, 65525), (True, 100_000)]
)
def test_fat_by_its_clusters(tmp_path: Path, wide: bool, clusters: int) -> None:
    image = image_with(tmp_path, 64 * MIB, FAT32_LBA)
    taken = [2, 3, 4, 900, 901, 4000, clusters + 1]
    data, length = make_fat(image, wide=wide, clusters=clusters, taken=taken)
    expected = [Range(0, data), *(Range(data + (number - 2) * 512, 512) for number in taken)]
    assert mapped_ranges(image) == tidy(expected, START + 64 * MIB)
    assert mapped(image, data + length, START + 64 * MIB) in ([], [mapped(image, 0, START + 64 * MIB)[-1]])


def test_the_upper_bits_of_fat32_are_no_allocation(tmp_path: Path) -> None:
    image = image_with(tmp_path, 64 * MIB, FAT32_LBA)
    data, _ = make_fat(image, wide=True, clusters=70_000, taken=[2])
    before = mapped_ranges(image)
    patch(image, START + 32 * 512 + 5000 * 4, struct.pack("<I", 0xF0000000))
    assert mapped_ranges(image) == before
    patch(image, START + 32 * 512 + 5000 * 4, struct.pack("<I", 0x0FFFFFF7))  # a bad cluster counts
    assert total(mapped(image, data + MIB, START + 64 * MIB)) == BLOCK


@pytest.mark.parametrize(
    ("offset", "data"),
    [
        (11, b"\0\0"),
        (13, b"\0"),
        (16, b"\0"),
        (32, b"\xff\xff\xff\xff"),
        (36, b"\1\0\0\0"),
        (36, b"\0\0\0\0"),
        (40, b"\x81"),
        (0, b"\0"),
        (510, b"\0"),
    ],
)
def test_contradicting_boot_sectors_mean_the_whole_partition(
    tmp_path: Path, offset: int, data: bytes
) -> None:
    image = image_with(tmp_path, 64 * MIB, FAT32_LBA)
    make_fat(image, wide=True, clusters=70_000, taken=[2])
    assert total(mapped_ranges(image)) < 8 * MIB
    patch(image, START + offset, data)
    assert total(mapped_ranges(image)) == START + 64 * MIB


def test_fat12_is_mapped_whole(tmp_path: Path) -> None:
    image = image_with(tmp_path, 64 * MIB, FAT32_LBA)
    make_fat(image, wide=False, clusters=4084, taken=[])
    assert total(mapped_ranges(image)) == START + 64 * MIB


@pytest.mark.parametrize(("width", "length"), [("16", 32 * MIB), ("32", 64 * MIB)])
def test_every_byte_of_mtools_files_is_mapped(tmp_path: Path, width: str, length: int) -> None:
    image = image_with(tmp_path, length, FAT32_LBA)
    run("mkfs.vfat", "-F", width, "-s", "1", "--offset", str(START // 512), image, str(length // 1024))
    for number in range(12):
        content = tmp_path / f"{number}.bin"
        content.write_bytes(b"needle-%02d" % number * 4000)
        run("mcopy", "-i", f"{image}@@{START}", content, f"::{number}.bin")
    run("mdel", "-i", f"{image}@@{START}", "::5.bin")
    plain = bytearray(image.read_bytes())
    for each in mapped_ranges(image):
        plain[each.offset : each.end] = bytes(each.length)
    assert [number for number in range(12) if b"needle-%02d" % number in plain] == [5]


# Images


def test_an_image_without_a_table_is_mapped_whole(tmp_path: Path) -> None:
    size = 2 * GRID + 100
    assert mapped_ranges(sparse(tmp_path / "a.img", size)) == list(cut([Range(0, size)]))


@pytest.mark.parametrize("kind", [LINUX, FAT32_LBA, 0x82, 0x05, GPT_GUARD])
def test_an_unknown_partition_is_mapped_whole(tmp_path: Path, kind: int) -> None:
    assert total(mapped_ranges(image_with(tmp_path, 8 * MIB, kind))) == START + 8 * MIB


def test_two_file_systems_in_one_place_are_mapped_whole(tmp_path: Path) -> None:
    image = image_with(tmp_path, 64 * MIB)
    make_ext(image, START, 64 * MIB, "-t", "ext4")
    assert total(mapped_ranges(image)) < 30 * MIB
    ext = image.read_bytes()[START + 1024 : START + 2048]
    make_fat(image, wide=True, clusters=70_000, taken=[2])
    patch(image, START + 1024, ext)
    assert total(mapped_ranges(image)) == START + 64 * MIB


def test_data_between_and_behind_partitions_is_mapped(tmp_path: Path) -> None:
    image = partitioned(tmp_path / "a.img", 60 * MIB, (LINUX, START, MIB), (LINUX, 20 * MIB, MIB))
    patch(image, 9 * MIB + 5000, b"x")
    patch(image, 59 * MIB, bytes(MIB // 2) + b"y")
    assert merge(mapped_ranges(image)) == [
        Range(0, START + MIB),
        Range(9 * MIB + 4096, BLOCK),
        Range(20 * MIB, MIB),
        Range(59 * MIB + MIB // 2, BLOCK),
    ]


def test_holes_of_the_file_change_nothing(tmp_path: Path) -> None:
    image = partitioned(tmp_path / "a.img", 60 * MIB, (LINUX, START, 20 * MIB), (LINUX, 30 * MIB, MIB))
    make_ext(image, START, 16 * MIB, "-t", "ext4")
    patch(image, 26 * MIB, b"gap")
    dense = tmp_path / "dense.img"
    dense.write_bytes(image.read_bytes())
    assert mapped_ranges(dense) == mapped_ranges(image)
    with dense.open("rb") as file:
        assert ranges_of(lambda n, at: os.pread(file.fileno(), n, at), 60 * MIB) == mapped_ranges(image)


def test_a_cut_image_is_refused(tmp_path: Path) -> None:
    image = image_with(tmp_path, 8 * MIB)
    os.truncate(image, START + 8 * MIB - 1)
    with pytest.raises(JobError, match="the image is cut") as error:
        mapped_ranges(image)
    assert error.value.code == "image_cut"


def test_the_images_own_end_need_not_be_a_block(tmp_path: Path) -> None:
    image = partitioned(tmp_path / "a.img", 8 * MIB + 512, (LINUX, START, 4 * MIB + 512))
    assert mapped_ranges(image)[-1] == Range(8 * MIB, 512)
