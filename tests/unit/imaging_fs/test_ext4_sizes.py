"""The arithmetic must never promise room that the real format does not have."""

import random

import pytest

from workers.imaging.ext4 import Superblock
from workers.imaging.ext4_fill import Ext4Fill, Owner
from workers.imaging.ext4_sizes import Load, file_blocks, free_blocks, inodes_for, smallest_size
from workers.imaging.ext4_tools import check_ext4

NOW = 1_704_067_200
OFFSET = 3 << 20
MIB = 1 << 20
SIZES = [16 * MIB, 17 * MIB, 100 * MIB, 128 * MIB, 129 * MIB, 255 * MIB, 257 * MIB, 1000 * MIB, 3000 * MIB,
         7_940_000_768, 31_000_002_560, 137_000_001_536]  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("files", [10, 50_000])
def test_free_blocks_are_promised_low_but_close(ext4, size, files):
    inodes = inodes_for(size, Load(0, min(files, size // 20_000)))
    image = ext4(size, inodes=inodes)
    found = Superblock.read(image, OFFSET)
    promised = free_blocks(size, inodes)
    assert promised <= found.free_blocks
    assert promised >= found.free_blocks - found.blocks // 100 - 64
    assert found.free_inodes >= inodes - 11
    image.unlink()


@pytest.mark.parametrize("seed", range(6))
def test_the_smallest_size_holds_its_load(ext4, seed):
    rng = random.Random(seed)
    files = {}
    for number in range(rng.choice([1, 40, 1500])):
        folders = "/".join(f"folder {rng.randrange(9)}" for _ in range(rng.randrange(4)))
        files[f"/{folders}/{number} {'n' * rng.randrange(200)}"] = rng.choice([0, 1, 4096, 70_000, 3 * MIB])
    load = Load.of(files.items())
    size = smallest_size(load)
    image = ext4(size, inodes=inodes_for(size, load))
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        for path, length in files.items():
            fs.create(path, length, Owner(NOW), folders=Owner(NOW, mode=0o755))
    check_ext4(image, OFFSET)


@pytest.mark.parametrize("size", [3 << 30, 10 << 30])
def test_one_huge_file_fits(ext4, size):
    load = Load.of([("/huge", size)])
    whole = smallest_size(load)
    assert size < whole < size * 1.03 + 80 * MIB
    image = ext4(whole, inodes=inodes_for(whole, load))
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        fs.create("/huge", size, Owner(NOW), folders=Owner(NOW))
    check_ext4(image, OFFSET)
    image.unlink()


def test_loads_count_files_folders_and_names():
    assert Load.of([]) == Load(0, 0)
    assert Load.of([("/a", 0)]).inodes >= 1
    assert Load.of([("/a/b/c", 1)]).inodes >= 3
    assert Load.of([("/a", 4097)]).blocks >= 2
    assert Load.of([("/a", 1)]).with_room(10).blocks >= Load.of([("/a", 1)]).blocks
    assert file_blocks(1 << 40) > 1 << 28


def test_more_content_never_needs_less():
    sizes = [smallest_size(Load.of([("/a", size)])) for size in range(0, 600 * MIB, 7 * MIB)]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("size", [0, 1, MIB, 50 * MIB, 10**9, 4 * 10**9, 4300 * MIB, 30 * 10**9, 500 * 10**9])
@pytest.mark.parametrize("count", [1, 7, 60])
def test_the_margin_that_orders_grant_is_enough(size, count):
    """Orders count whole blocks + 3 % + 64 MiB; a recipe that they let through must not fail here."""
    plain = count * -(-(size // count) // 4096) * 4096
    load = Load.of([(f"/contents/zims/file {n}.zim", size // count) for n in range(count)])
    assert smallest_size(load) <= plain + plain * 3 // 100 + 64 * MIB
