"""Small files take blocks from a run that the library believes to be used: nothing of it may stay so."""

import random
import struct

import pytest

from workers.errors import JobError
from workers.imaging import ext4_edit, ext4_inode, ext4_run
from workers.imaging.ext4 import Ext4, Superblock
from workers.imaging.ext4_fill import Ext4Fill, Owner
from workers.imaging.ext4_inode import Extent
from workers.imaging.ext4_tools import Ext4Identity, check_ext4, make_ext4
from workers.imaging.image_writer import WINDOW, ImageWriter

NOW = 1_704_067_200
OFFSET = 3 << 20
BLOCK = 4096
FILE, FOLDER = Owner(NOW), Owner(NOW, mode=0o755)


def put(fs, path, data):
    fs.create(path, len(data), FILE, folders=FOLDER).write(data)


@pytest.fixture
def full(ext4):
    """How many files of `data` fit: found out on an image that is thrown away."""

    def count(data):
        found = 0
        try:
            with Ext4Fill(ext4(name="full", inodes=9000), OFFSET, now=NOW) as fs:
                while True:
                    put(fs, f"/d/{found}", data)
                    found += 1
        except JobError as error:
            assert "choose a larger size" in error.message
        return found

    return count


@pytest.mark.parametrize("extent", [None, Extent(7 + (3 << 32), 5, BLOCK)])
@pytest.mark.parametrize(
    "owner",
    [
        Owner(NOW),
        Owner(2**33 + 5, mode=0o4751, uid=70_000, gid=3_000_000_000, nanoseconds=999_999_999),
        Owner(-9),
    ],
)
def test_an_inode_made_at_once_is_the_one_made_in_steps(extent, owner):
    mode = 0o100000 | owner.mode
    steps = ext4_inode.stamp(ext4_inode.blank(256, links=1, length=5 << 32), mode, owner, NOW)
    if extent:
        struct.pack_into("<H", steps, 42, 1)
        struct.pack_into("<IHHI", steps, 52, 0, 5, 3, 7)
        ext4_inode.set_blocks(steps, 5, BLOCK)
    assert ext4_inode.whole(256, mode, owner, NOW, length=5 << 32, extent=extent) == steps


def test_what_a_run_held_is_free_afterwards(ext4):
    image = ext4()
    before = Superblock.read(image, OFFSET).free_blocks
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        for number in range(100):
            put(fs, f"/f{number}", b"x" * 5000)
    check_ext4(image, OFFSET)
    assert Superblock.read(image, OFFSET).free_blocks == before - 200


def test_small_files_take_nearly_the_last_block(ext4, full):
    image, data = ext4(inodes=9000), random.Random(3).randbytes(3 * BLOCK)
    count = full(data) - 15  # whose room is for the folder itself
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        for number in range(count):
            put(fs, f"/d/{number}", data)
    check_ext4(image, OFFSET)
    assert Superblock.read(image, OFFSET).free_blocks < 15 * 3 + 3
    with Ext4(image, OFFSET) as fs:
        assert all(fs.read(f"/d/{number}") == data for number in range(0, count, 97))


def test_no_run_is_long_enough(ext4, full):
    image = ext4(inodes=9000)
    count, large = full(b"1") - 200, random.Random(4).randbytes(9 * BLOCK + 1)
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        for number in range(count):
            put(fs, f"/d/{number}", b"1")
        for number in range(0, count, 2):
            fs.remove(f"/d/{number}")
        for number in range(100):
            put(fs, f"/scattered{number}", large)
    check_ext4(image, OFFSET)
    with Ext4(image, OFFSET) as fs:
        assert max(len(fs._extents(fs.find(f"/scattered{number}").number)[0]) for number in range(100)) > 4
        assert all(fs.read(f"/scattered{number}") == large for number in range(100))
        assert fs.read("/d/1") == b"1"


def test_what_comes_between_small_files_gets_its_own_blocks(ext4):
    image, rng = ext4(32 << 20), random.Random(5)
    files = {}
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        for number in range(60):
            for path, size in (
                (f"/s{number}", 6000),
                (f"/l{number % 3}/{number}", (ext4_run.MOST + number) * 400),
            ):
                files[path] = rng.randbytes(size)
                put(fs, path, files[path])
            fs.symlink(f"/link{number}", "t/" * 200, FILE, folders=FOLDER)
            fs.attribute(f"/s{number}", {"user.large": rng.randbytes(900)})
    check_ext4(image, OFFSET)
    with Ext4(image, OFFSET) as fs:
        assert {path: fs.read(path) for path in files} == files
        assert fs.target(fs.find("/link59")) == "t/" * 200
        assert len(fs.attributes(fs.find("/s59").number)["user.large"]) == 900


@pytest.mark.parametrize("copied", [True, False])
def test_a_block_across_two_windows_ends_in_zeros(tmp_path, copied):
    """A partition may begin at any sector: then its blocks lie across the writer's windows."""
    image, start = tmp_path / "a.img", OFFSET + 512
    with image.open("wb") as file:
        file.truncate(start + (32 << 20))
    make_ext4(image, start, 32 << 20, Ext4Identity("data", bytes(range(16)), bytes(16)), now=NOW, inodes=2000)
    size = 2 * BLOCK + 1
    content = tmp_path / "content"
    content.write_bytes(b"\xff" * size)
    with Ext4Fill(image, start, now=NOW) as fs, content.open("rb") as source:
        crossing = 0
        for number in range(1500):
            file = fs.create(f"/d/{number}", size, FILE, folders=FOLDER)
            if copied:
                file.copy_from(source.fileno(), tell=lambda _: None)
            else:
                file.write(b"\xff" * size)
            end = file.places[0][0] + 2 * BLOCK
            crossing += end // WINDOW != (end + BLOCK - 1) // WINDOW
        last = file.places[0][0]
    assert crossing
    check_ext4(image, start)
    raw = image.read_bytes()
    assert raw[last : last + 3 * BLOCK] == b"\xff" * size + bytes(BLOCK - 1)


def test_new_inodes_that_wait_are_the_same_as_those_written_at_once(ext4, monkeypatch):
    images = [ext4(name=name) for name in ("one by one", "by three", "all at the end")]
    for image, most in zip(images, (1, 3, 10_000), strict=True):
        monkeypatch.setattr(ext4_edit, "_MOST_WAITING", most)
        with Ext4Fill(image, OFFSET, now=NOW) as fs:
            for number in range(40):
                put(fs, f"/d{number % 3}/{number}", bytes([number]) * 5000 * (number % 4))
            fs.attribute("/d0/0", {"user.colour": b"red"})
            fs.own("/d1", Owner(NOW, mode=0o700, uid=5))
            fs.hardlink("/again", "/d1/1", folders=FOLDER)
            fs.remove("/d2/2")
            fs.remove("/d1/1")
            put(fs, "/large", b"l" * (ext4_run.MOST + 5) * BLOCK)
        check_ext4(image, OFFSET)
    assert len({image.read_bytes() for image in images}) == 1
    with Ext4(images[-1], OFFSET) as fs:
        assert fs.find("/d2/2") is None
        assert fs.read("/again") == b"\1" * 5000
        assert fs.attributes(fs.find("/d0/0").number) == {"user.colour": b"red"}
        assert fs.find("/d1").permissions == 0o700


def test_nothing_is_on_its_way_while_it_is_quiet(tmp_path):
    image = tmp_path / "image"
    image.write_bytes(bytes(3 * WINDOW))
    writer = ImageWriter(image)
    with writer.quiet():
        for number in range(3):
            writer.write(number * WINDOW, b"x" * WINDOW)
        assert not any(image.read_bytes())
    writer.close()
    assert image.read_bytes() == b"x" * (3 * WINDOW)
