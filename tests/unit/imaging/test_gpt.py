"""GPTs: read, grown with the image, and refused when they contradict themselves."""

from __future__ import annotations

import contextlib
import os
import re
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings, strategies

from tests.unit.imaging.images import MIB, partitioned, run, sparse
from workers.errors import JobError
from workers.imaging import gpt, table
from workers.imaging.allocation import mapped_ranges
from workers.imaging.ranges import Range, merge, subtract


def gpt_image(path: Path, size: int = 64 * MIB) -> Path:
    """Three partitions, as sgdisk makes them."""
    sparse(path, size)
    parts = ["-n1:2048:+8M", "-t1:0700", "-c1:boot", "-n2:0:+8M", "-n3:0:+16M", "-c3:däta", "-A3:set:63"]
    run("sgdisk", "-a2048", *parts, path)
    return path


def guids(path: Path) -> list[str]:
    return [
        line
        for number in (1, 2, 3)
        for line in run("sgdisk", f"-i{number}", path).stdout.splitlines()
        if re.match("Partition (GUID|unique|name)|Attribute", line)
    ]


def test_partitions_are_read(tmp_path):
    image = gpt_image(tmp_path / "a.img")
    found = table.read(image)
    assert [(each.number, each.start, each.length) for each in found] == [
        (1, MIB, 8 * MIB),
        (2, 9 * MIB, 8 * MIB),
        (3, 17 * MIB, 16 * MIB),
    ]
    assert table.tail(image) == MIB
    assert table.largest(image) is None


@pytest.mark.parametrize("size", [64, 96, 200])
def test_the_last_partition_grows_with_the_image(tmp_path, size):
    image = gpt_image(tmp_path / "a.img")
    before = guids(image)
    with image.open("r+b") as file:
        file.truncate(size * MIB)
    table.resize(image, 3, (size - 18) * MIB)
    assert "No problems found" in run("sgdisk", "-v", image).stdout
    assert guids(image) == before
    assert table.read(image)[-1].end == (size - 1) * MIB
    raw = image.read_bytes()
    assert raw.count(b"EFI PART") == 2  # no third one is left in the partition
    assert raw[510:512] == b"\x55\xaa"
    assert int.from_bytes(raw[446 + 12 : 446 + 16], "little") == size * MIB // 512 - 1


def test_the_same_growth_gives_the_same_bytes(tmp_path):
    first = gpt_image(tmp_path / "a.img")
    second = tmp_path / "b.img"
    second.write_bytes(first.read_bytes())
    for image in (first, second):
        table.resize(image, 3, 40 * MIB)
    assert first.read_bytes() == second.read_bytes()


def test_both_tables_are_mapped(tmp_path):
    image = gpt_image(tmp_path / "a.img")
    mapped = merge(mapped_ranges(image))
    assert subtract([Range(0, 34 * 512), Range(64 * MIB - 33 * 512, 33 * 512)], mapped) == []
    assert subtract([Range(40 * MIB, 8 * MIB)], mapped) == [Range(40 * MIB, 8 * MIB)]


def test_a_partition_into_the_backup_is_refused(tmp_path):
    image = gpt_image(tmp_path / "a.img")
    before = image.read_bytes()
    with pytest.raises(JobError, match="backup") as caught:
        table.resize(image, 3, 47 * MIB)
    assert caught.value.code == "bad_partition_table"
    assert image.read_bytes() == before


@pytest.mark.parametrize(
    ("at", "words"),
    [(512, "header is missing"), (512 + 40, "of its header"), (1024 + 32, "of its entries")],
)
def test_damage_is_named(tmp_path, at, words):
    image = gpt_image(tmp_path / "a.img")
    with image.open("r+b") as file:
        file.seek(at)
        file.write(b"\x77")
    with pytest.raises(JobError, match=words) as caught:
        table.read(image)
    assert caught.value.code == "bad_partition_table"
    assert mapped_ranges(image)[0].offset == 0
    assert sum(each.length for each in mapped_ranges(image)) == 64 * MIB  # whole: nothing is known


def rewritten(image, **changes):
    """With other numbers in its header, and checksums that hold."""
    names = ["at", "count", "entry", "own", "other", "first", "last"]
    places = dict(zip(names, ("72Q", "80I", "84I", "24Q", "32Q", "40Q", "48Q"), strict=True))
    with image.open("r+b") as file:
        head = bytearray(file.read(MIB))
        for name, value in changes.items():
            struct.pack_into(f"<{places[name][-1]}", head, 512 + int(places[name][:-1]), value)
        at, count, entry = (
            struct.unpack_from(f"<{places[name][-1]}", head, 512 + int(places[name][:-1]))[0]
            for name in ("at", "count", "entry")
        )
        entries = head[at * 512 :][: count * entry]
        struct.pack_into("<I", head, 512 + 88, zlib.crc32(entries))
        struct.pack_into("<I", head, 512 + 16, 0)
        struct.pack_into("<I", head, 512 + 16, zlib.crc32(head[512 : 512 + 92]))
        file.seek(0)
        file.write(head)
    return image


@pytest.mark.parametrize(
    "changes",
    [
        {"at": (1 << 64) - 1}, {"at": 1 << 55}, {"at": 0}, {"at": 1}, {"count": 1 << 31}, {"entry": 1 << 31},
        {"entry": 4104}, {"other": (1 << 64) - 1}, {"other": 1 << 55}, {"own": 7},
    ],
    ids=str,
)  # fmt: skip
def test_numbers_that_cannot_be_are_refused_before_anything_is_read_by_them(tmp_path, changes):
    image = rewritten(gpt_image(tmp_path / "a.img"), **changes)
    with pytest.raises(JobError, match="numbers are impossible") as caught:
        table.read(image)
    assert caught.value.code == "bad_partition_table"
    assert sum(each.length for each in mapped_ranges(image)) == 64 * MIB


@pytest.mark.parametrize("other", [0, 1, 5, 64 * MIB // 512, 1 << 40])
def test_a_backup_that_is_elsewhere_maps_nothing_outside_of_the_image(tmp_path, other):
    image = rewritten(gpt_image(tmp_path / "a.img"), other=other)
    assert all(0 <= each.offset < each.end <= 64 * MIB for each in mapped_ranges(image))


def test_a_backup_that_is_said_to_lie_in_another_partition_is_not_wiped(tmp_path):
    image = gpt_image(tmp_path / "a.img")
    with image.open("r+b") as file:
        file.seek(5 * MIB)
        file.write(b"EFI PART" + b"x" * 504)
    rewritten(image, other=5 * MIB // 512)
    table.resize(image, 3, 20 * MIB)
    assert image.read_bytes()[5 * MIB :][:512] == b"EFI PART" + b"x" * 504


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return gpt_image(tmp_path_factory.mktemp("gpt") / "a.img").read_bytes()[:MIB]


@settings(max_examples=60, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(data=strategies.data())
def test_whatever_a_header_says_there_is_an_answer(sound, tmp_path_factory, data):
    image = tmp_path_factory.getbasetemp() / "hostile.img"
    image.write_bytes(sound)
    os.truncate(image, 64 * MIB)
    fields = {"at": 64, "count": 32, "entry": 32, "own": 64, "other": 64, "first": 64, "last": 64}
    changes = {
        name: data.draw(strategies.integers(0, 200) | strategies.integers(0, (1 << bits) - 1), name)
        for name, bits in fields.items()
        if data.draw(strategies.booleans())
    }
    rewritten(image, **changes)
    with contextlib.suppress(JobError):
        table.read(image)
        table.resize(image, 3, 20 * MIB)
    assert sum(each.length for each in mapped_ranges(image)) <= 64 * MIB


def test_a_cut_image_is_named(tmp_path):
    image = gpt_image(tmp_path / "a.img")
    with image.open("r+b") as file:
        file.truncate(30 * MIB)
    with pytest.raises(JobError) as caught:
        table.read(image)
    assert caught.value.code == "image_cut"


def test_a_hybrid_table_is_refused(tmp_path):
    image = gpt_image(tmp_path / "a.img")
    run("sgdisk", "-h1:2", image)
    with pytest.raises(JobError, match="gdisk") as caught:
        table.read(image)
    assert caught.value.code == "hybrid_table"


def test_an_mbr_stays_an_mbr(tmp_path):
    image = partitioned(tmp_path / "a.img", 64 * MIB, (12, MIB, 8 * MIB), (131, 9 * MIB, 8 * MIB))
    table.resize(image, 2, 30 * MIB)
    assert table.read(image)[-1].end == 39 * MIB
    assert table.tail(image) == 0
    assert table.largest(image) == 0xFFFF_FFFF * 512
    assert not gpt.is_gpt(image.read_bytes()[:512])
