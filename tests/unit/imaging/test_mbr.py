from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.imaging.images import MIB, partitioned, run, sparse
from workers.errors import JobError
from workers.imaging import mbr
from workers.imaging.mbr import FAT32_LBA, LINUX, Partition

BOOT = Partition(1, FAT32_LBA, 4 * MIB, 8 * MIB, active=True)
ROOT = Partition(2, LINUX, 12 * MIB, 20 * MIB)


def test_a_new_table_reads_back() -> None:
    sector = mbr.new_table([ROOT, BOOT], 0xCAFEBABE)
    assert len(sector) == 512
    assert mbr.parse(sector, 32 * MIB) == [BOOT, ROOT]
    assert sector[440:444] == b"\xbe\xba\xfe\xca"


def test_sfdisk_reads_the_same(tmp_path: Path) -> None:
    image = sparse(tmp_path / "a.img", 40 * MIB, {0: mbr.new_table([BOOT, ROOT], 0xCAFEBABE)})
    table = json.loads(run("sfdisk", "--json", image).stdout)["partitiontable"]
    assert table["id"] == "0xcafebabe"
    assert [(each["start"] * 512, each["size"] * 512, each["type"]) for each in table["partitions"]] == [
        (BOOT.start, BOOT.length, "c"),
        (ROOT.start, ROOT.length, "83"),
    ]
    assert table["partitions"][0]["bootable"]


def test_resize_changes_nothing_else(tmp_path: Path) -> None:
    code = bytes(range(256))[:200]
    image = partitioned(
        tmp_path / "a.img", 64 * MIB, (FAT32_LBA, 4 * MIB, 8 * MIB), (LINUX, 12 * MIB, 4 * MIB)
    )
    with image.open("r+b") as file:
        file.write(code)
    before = image.read_bytes()
    assert mbr.resize(image, 2, 52 * MIB) == Partition(2, LINUX, 12 * MIB, 52 * MIB)
    after = image.read_bytes()
    assert mbr.find(image, 2).length == 52 * MIB
    assert (after[: 446 + 16], after[446 + 32 :]) == (before[: 446 + 16], before[446 + 32 :])
    assert after[:200] == code


def test_resize_beyond_the_image_changes_nothing(tmp_path: Path) -> None:
    image = partitioned(tmp_path / "a.img", 16 * MIB, (LINUX, 4 * MIB, 4 * MIB))
    before = image.read_bytes()
    with pytest.raises(JobError, match="only 16777216 bytes") as error:
        mbr.resize(image, 1, 13 * MIB)
    assert error.value.code == "image_cut"
    assert image.read_bytes() == before


def test_resize_into_the_next_partition_is_refused(tmp_path: Path) -> None:
    image = partitioned(tmp_path / "a.img", 32 * MIB, (LINUX, 4 * MIB, 4 * MIB), (LINUX, 8 * MIB, 4 * MIB))
    with pytest.raises(JobError) as error:
        mbr.resize(image, 1, 5 * MIB)
    assert error.value.code == "bad_partition_table"


def test_a_missing_partition_is_named(tmp_path: Path) -> None:
    image = partitioned(tmp_path / "a.img", 16 * MIB, (LINUX, 4 * MIB, 4 * MIB))
    for act in (lambda: mbr.find(image, 3), lambda: mbr.resize(image, 3, MIB)):
        with pytest.raises(JobError, match="no partition 3") as error:
            act()
        assert error.value.code == "partition_missing"


def test_lengths_must_be_whole_sectors() -> None:
    with pytest.raises(ValueError, match="whole sectors"):
        mbr.new_table([Partition(1, LINUX, 4 * MIB, MIB + 1)], 1)


@pytest.mark.parametrize("sector", [b"", bytes(512), bytes(510) + b"\x55\xab", b"\x55\xaa" * 100])
def test_without_the_signature_there_is_no_table(sector: bytes) -> None:
    with pytest.raises(JobError) as error:
        mbr.parse(sector)
    assert error.value.code == "no_partition_table"


def test_a_boot_sector_of_a_file_system_is_no_table() -> None:
    sector = bytearray(mbr.new_table([BOOT], 1))
    sector[446 + 32] = 0x41
    with pytest.raises(JobError, match="0x41") as error:
        mbr.parse(bytes(sector))
    assert error.value.code == "no_partition_table"


@pytest.mark.parametrize(
    "partitions",
    [
        [Partition(1, LINUX, 0, MIB)],
        [Partition(1, LINUX, MIB, MIB), Partition(2, LINUX, 2 * MIB - 512, MIB)],
        [Partition(1, LINUX, MIB, 9 * MIB), Partition(2, LINUX, 2 * MIB, MIB)],
    ],
)
def test_overlaps_are_refused(partitions: list[Partition]) -> None:
    with pytest.raises(JobError) as error:
        mbr.new_table(partitions, 1)
    assert error.value.code == "bad_partition_table"


def test_a_gpt_guard_may_claim_more_than_the_disk() -> None:
    sector = mbr.new_table([Partition(1, mbr.GPT_GUARD, 512, 0xFFFFFFFF * 512)], 0)
    assert mbr.parse(sector, 8 * MIB)[0].kind == mbr.GPT_GUARD
