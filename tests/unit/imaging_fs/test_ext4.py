"""ext4 inside an image: what we put in, e2fsprogs, the kernel and we ourselves read; damage is named."""

import os
import random
import shutil
import stat
import struct
import subprocess

import pytest

from workers.errors import HostError, JobError
from workers.imaging import alloc_ext4, ext4_tools, libext2fs
from workers.imaging.ext4 import Ext4, Superblock
from workers.imaging.ext4_fill import Ext4Fill, Owner
from workers.imaging.ext4_folder import Layout, pack_folder
from workers.imaging.ext4_tools import Ext4Identity, check_ext4, find_program, make_ext4
from workers.imaging.ranges import Range, subtract, total

NOW = 1_704_067_200
OFFSET = 3 << 20
FILE, FOLDER = Owner(NOW), Owner(NOW, mode=0o755)


def put(fs, path, data, owner=FILE):
    file = fs.create(path, len(data), owner, folders=FOLDER)
    file.write(data)
    return data


def debugfs(image, command):
    done = subprocess.run(
        [find_program("debugfs"), "-R", command, f"{image}?offset={OFFSET}"], capture_output=True, check=True
    )
    return done.stdout


def test_content_is_read_back_by_us_and_by_debugfs(ext4):
    image, rng = ext4(), random.Random(1)
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        files = {
            path: put(fs, path, rng.randbytes(size))
            for path, size in [
                ("/a", 5),
                ("/deep/er/ü 😀", 4096),
                ("/deep/b", 4097),
                ("/big", 5_000_001),
                ("/none", 0),
            ]
        }
        fs.symlink("/deep/short", "../a", FILE, folders=FOLDER)
        fs.symlink("/long", "x/" * 400, FILE, folders=FOLDER)
    check_ext4(image, OFFSET)
    with Ext4(image, OFFSET) as fs:
        assert {path: fs.read(path) for path in files} == files
        assert fs.target(fs.find("/deep/short")) == "../a"
        assert fs.target(fs.find("/long")) == "x/" * 400
        found = [path for path, _ in fs.walk()]
        assert found == sorted(found)
        assert set(found) == {*files, "/deep", "/deep/er", "/deep/short", "/long", "/lost+found"}
        assert fs.find("/deep/nothing") is None
    assert debugfs(image, "cat /big") == files["/big"]


def test_pieces_of_any_length_arrive_in_order(ext4):
    image, rng = ext4(), random.Random(2)
    data = rng.randbytes(1_000_003)
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        file, at = fs.create("/a", len(data), FILE, folders=FOLDER), 0
        file.write(b"wrong" * 1000)
        file.rewind()
        while at < len(data):
            step = rng.choice([1, 4095, 4096, 100_000])
            file.write(data[at : at + step])
            at += step
        with pytest.raises(JobError) as caught:
            file.write(b"!")
        assert caught.value.code == "size_mismatch"
    with Ext4(image, OFFSET) as fs:
        assert fs.read("/a") == data


def test_owners_modes_and_times(ext4):
    image = ext4()
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        put(fs, "/a", b"1", Owner(2**31 + 77, mode=0o4750, uid=70_000, gid=3_000_000_000))
        fs.makedirs("/d/e", Owner(5, mode=0o1700, uid=1, gid=2))
        fs.own("/", Owner(NOW - 9, mode=0o711, uid=33))
    with Ext4(image, OFFSET) as fs:
        file, folder, root = fs.find("/a"), fs.find("/d/e"), fs.find("/")
    assert (file.permissions, file.uid, file.gid, file.mtime) == (0o4750, 70_000, 3_000_000_000, 2**31 + 77)
    assert (folder.permissions, folder.uid, folder.gid, folder.mtime) == (0o1700, 1, 2, 5)
    assert (root.permissions, root.uid, root.mtime) == (0o711, 33, NOW - 9)
    assert stat.S_ISDIR(root.mode)
    check_ext4(image, OFFSET)


def test_the_same_content_gives_the_same_bytes(ext4, monkeypatch, tmp_path):
    odd = tmp_path / "mke2fs.conf"
    odd.write_text(
        "[defaults]\n base_features = sparse_super\n blocksize = 1024\n"
        "[fs_types]\n ext4 = {\n inode_ratio = 4096\n }\n"
    )
    images = []
    for name in ("one", "two"):
        image = ext4(name=name)
        with Ext4Fill(image, OFFSET, now=NOW) as fs:
            for number in range(300):
                put(fs, f"/d{number % 7}/f{number}", b"x" * number * 30)
            fs.symlink("/l", "target" * 20, FILE, folders=FOLDER)
        images.append(image.read_bytes())
        monkeypatch.setenv("MKE2FS_CONFIG", str(odd))  # what another host may have
    assert images[0] == images[1]


def test_large_folders_and_many_folders(ext4):
    image = ext4(64 << 20, inodes=9000)
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        for number in range(3000):
            put(fs, f"/many/a file whose name is not short at all, number {number}", b"")
        for number in range(1000):
            fs.makedirs(f"/f{number}/g", FOLDER)
        assert fs.exists("/many/a file whose name is not short at all, number 7")
        assert not fs.exists("/many/8")
        assert not fs.exists("/nowhere/8")
    check_ext4(image, OFFSET)
    with Ext4(image, OFFSET) as fs:
        assert len(fs.entries(fs.find("/many").number)) == 3000


def test_folders_deeper_than_pythons_stack(ext4):
    image = ext4(64 << 20, inodes=9000)
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        put(fs, "/a" * 1900 + "/end", b"deep")
        assert fs.exists("/a" * 1900 + "/end")
    check_ext4(image, OFFSET)


def test_folders_that_were_there_before_grow(ext4):
    image = ext4(inodes=2000)
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        put(fs, "/old/first", b"1")
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        assert fs.exists("/old/first")
        for number in range(400):
            put(fs, f"/old/name {number} that fills the block", b"2")
        put(fs, "/old/new/x", b"3")
    check_ext4(image, OFFSET)
    with Ext4(image, OFFSET) as fs:
        assert fs.read("/old/first") == b"1"
        assert fs.read("/old/new/x") == b"3"
        assert len(fs.entries(fs.find("/old").number)) == 402


def test_a_tree_of_extents_is_counted_right(ext4):
    """3 GiB need more extents than an inode holds; libext2fs 1.47 then miscounts the blocks."""
    image = ext4(4 << 30)
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        file = fs.create("/huge", 3 << 30, FILE, folders=FOLDER)
        assert sum(length for _, length in file.places) == 3 << 30
        file.write(b"begins")
    check_ext4(image, OFFSET)
    with Ext4(image, OFFSET) as fs:
        facts = fs.find("/huge")
        assert facts.size == 3 << 30
        assert next(fs.pieces(facts.number))[:8] == b"begins\0\0"
    image.unlink()


def test_an_allocated_file_of_zeros_is_mapped_though_the_image_has_a_hole_there(ext4):
    """Otherwise the card's old content would shine through."""
    image = ext4()
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        places = fs.create("/zeros", 1_000_000, FILE, folders=FOLDER).places
    raw = image.read_bytes()
    mapped, _ = alloc_ext4.used(lambda length, at: raw[at : at + length], OFFSET, len(raw) - OFFSET)
    free = subtract([Range(OFFSET, len(raw) - OFFSET)], mapped)
    assert total(free) > 10 << 20
    for start, length in places:
        assert subtract([Range(start, length)], mapped) == []
        assert not any(raw[start : start + length])


@pytest.mark.parametrize("taken", ["/a", "/d"])
def test_a_taken_name_is_refused(ext4, taken):
    with Ext4Fill(ext4(), OFFSET, now=NOW) as fs:
        put(fs, "/a", b"1")
        fs.makedirs("/d", FOLDER)
        for attempt in (
            lambda: fs.create(taken, 1, FILE, folders=FOLDER),
            lambda: fs.symlink(taken, "x", FILE, folders=FOLDER),
        ):
            with pytest.raises(JobError, match=taken) as caught:
                attempt()
            assert caught.value.code == "name_taken"


def test_a_file_cannot_become_a_folder(ext4):
    with Ext4Fill(ext4(), OFFSET, now=NOW) as fs:
        put(fs, "/a", b"1")
        with pytest.raises(JobError, match="/a is a file"):
            fs.create("/a/b", 1, FILE, folders=FOLDER)


def test_no_room_is_named(ext4):
    with Ext4Fill(ext4(), OFFSET, now=NOW) as fs:
        with pytest.raises(JobError, match=r"/big \(900000000 bytes\)") as caught:
            fs.create("/big", 900_000_000, FILE, folders=FOLDER)
        assert caught.value.code == "too_large"


def test_no_inodes_left_is_named(ext4):
    image = ext4(inodes=32)
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        for number in range(fs.super.free_inodes):
            put(fs, f"/{number}", b"")
        with pytest.raises(JobError, match="more files") as caught:
            put(fs, "/one more", b"")
    assert caught.value.code == "too_large"
    check_ext4(image, OFFSET)


@pytest.mark.loop
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_the_kernel_reads_the_same(ext4, tmp_path):
    image, rng, mount = ext4(), random.Random(3), tmp_path / "mount"
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        files = {f"/d{n % 3}/f{n}": put(fs, f"/d{n % 3}/f{n}", rng.randbytes(n * 997)) for n in range(60)}
        fs.symlink("/link", "d0/f3", FILE, folders=FOLDER)
    mount.mkdir()
    loop = subprocess.run(
        ["losetup", "-f", "--show", "-r", "-o", str(OFFSET), str(image)],
        capture_output=True,
        text=True,
        check=False,
    )
    if loop.returncode:
        pytest.skip(f"no free loop device: {loop.stderr}")
    device = loop.stdout.strip()
    try:
        subprocess.run(["mount", "-o", "ro", device, str(mount)], check=True)
        try:
            assert {path: (mount / path[1:]).read_bytes() for path in files} == files
            assert (mount / "link").read_bytes() == files["/d0/f3"]
        finally:
            subprocess.run(["umount", str(mount)], check=True)
    finally:
        subprocess.run(["losetup", "-d", device], check=True)


def test_others_file_systems_with_small_blocks_are_read(tmp_path):
    image, tree = tmp_path / "img", tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub/a").write_bytes(b"theirs" * 5000)
    with image.open("wb") as file:
        file.truncate(20 << 20)
    subprocess.run(
        [
            find_program("mke2fs"),
            "-q",
            "-F",
            "-t",
            "ext3",
            "-b",
            "1024",
            "-I",
            "128",
            "-d",
            str(tree),
            str(image),
        ],
        check=True,
    )
    with Ext4(image, 0) as fs:
        assert fs.super.block == 1024
        assert fs.read("/sub/a") == b"theirs" * 5000
    with pytest.raises(JobError, match="128 bytes"):
        Ext4Fill(image, 0, now=NOW)


def test_the_superblock_tells_what_was_asked_for(ext4):
    image = ext4(48 << 20)
    found = Superblock.read(image, OFFSET)
    assert (found.label, found.uuid, found.hash_seed) == ("data", bytes(range(16)), bytes(range(16, 32)))
    assert (found.block, found.size, found.inode_size) == (4096, 48 << 20, 256)


@pytest.mark.parametrize("damage", [b"", b"\0" * 2048, b"\xff" * 2048])
def test_what_is_no_ext4_is_refused(tmp_path, damage):
    image = tmp_path / "img"
    image.write_bytes(damage)
    with pytest.raises(JobError, match="no ext4 file system at byte 0") as caught:
        Ext4(image, 0)
    assert caught.value.code == "bad_filesystem"


def test_a_damaged_superblock_is_refused(ext4):
    image = ext4()
    with image.open("r+b") as file:
        file.seek(OFFSET + 1024 + 0x60)  # features that nobody has
        file.write(b"\xff\xff\xff\xff")
    with pytest.raises(JobError, match="cannot be opened") as caught:
        Ext4(image, OFFSET)
    assert caught.value.code == "bad_filesystem"


def test_damage_is_found_by_the_check(ext4):
    image = ext4()
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        put(fs, "/a", b"x" * 10_000)
    check_ext4(image, OFFSET)
    block = int(debugfs(image, "imap /a").split(b"located at block ")[1].split(b",")[0])
    with image.open("r+b") as file:
        file.seek(OFFSET + block * 4096)
        file.write(bytes(4096))
    with pytest.raises(JobError, match="not clean") as caught:
        check_ext4(image, OFFSET)
    assert caught.value.code == "bad_filesystem"


def test_paths_with_odd_characters_are_fine(tmp_path):
    folder = tmp_path / "a?b, c=d"
    folder.mkdir()
    image = folder / "img"
    with image.open("wb") as file:
        file.truncate(OFFSET + (16 << 20))
    make_ext4(image, OFFSET, 16 << 20, Ext4Identity("x", bytes(16), bytes(range(16))), now=NOW)
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        put(fs, "/a", b"1")
    check_ext4(image, OFFSET)


def test_a_file_system_without_a_hash_seed_is_the_same_each_time_too(tmp_path):
    """mke2fs takes a seed of zeros as "any"."""
    images = []
    for name in ("one", "two"):
        image = tmp_path / name
        with image.open("wb") as file:
            file.truncate(16 << 20)
        make_ext4(image, 0, 16 << 20, Ext4Identity("x", bytes(range(16)), bytes(16)), now=NOW)
        images.append(image.read_bytes())
    assert images[0] == images[1]


def test_too_small_a_partition_is_refused(tmp_path):
    with pytest.raises(JobError, match="too small") as caught:
        make_ext4(tmp_path / "img", 0, 1 << 20, Ext4Identity("x", bytes(16), bytes(16)), now=NOW)
    assert caught.value.code == "too_small"


def test_a_failing_mke2fs_is_reported_in_its_words(tmp_path):
    (tmp_path / "img").mkdir()
    with pytest.raises(HostError, match="mke2fs could not format") as caught:
        make_ext4(tmp_path / "img", 0, 16 << 20, Ext4Identity("x", bytes(16), bytes(range(16))), now=NOW)
    assert caught.value.code == "mke2fs_failed"


def test_programs_are_found_without_sbin_in_the_path(monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert find_program("mke2fs").endswith("/mke2fs")


def test_a_missing_program_is_named(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(HostError, match="e2fsprogs") as caught:
        find_program("mke2fs")
    assert caught.value.code == "missing_program"


def test_the_frozen_clock_leaves_the_environment_as_it_was(monkeypatch):
    monkeypatch.setenv("E2FSPROGS_FAKE_TIME", "7")
    with libext2fs.frozen_clock(9):
        assert os.environ["E2FSPROGS_FAKE_TIME"] == "9"
    assert os.environ["E2FSPROGS_FAKE_TIME"] == "7"
    monkeypatch.delenv("E2FSPROGS_FAKE_TIME")
    with libext2fs.frozen_clock(9):
        pass
    assert "E2FSPROGS_FAKE_TIME" not in os.environ


def test_library_errors_speak():
    with pytest.raises(HostError, match=r"somewhere: Ext2 inode is not a directory") as caught:
        libext2fs.check("somewhere", 0x7F2BB700 + 74)
    assert caught.value.code == "ext4_failed"
    with pytest.raises(HostError, match="No such file"):
        libext2fs.check("somewhere", 2)
    libext2fs.check("fine", 0)


def test_folder_blocks_fill_up_and_reach_to_the_tail():
    entries = {f"name {n:04}".encode(): (20 + n, 1) for n in range(500)}
    blocks, indexed = pack_folder(2, 2, entries, Layout(4096, True, 1, None))
    assert not indexed
    seen = {}
    for block in blocks:
        assert len(block) == 4096
        at = 0
        while at < 4096 - 12:
            inode, length, size, kind = struct.unpack_from("<IHBB", block, at)
            seen[block[at + 8 : at + 8 + size]] = (inode, kind)
            at += length
        assert at == 4096 - 12
        assert struct.unpack_from("<IHBB", block, at) == (0, 12, 0, 0xDE)
    assert seen == entries | {b".": (2, 2), b"..": (2, 2)}


def test_default_journals_fit():
    sizes = [16 << 20, 255 << 20, 1 << 30, 8 << 30]
    assert [ext4_tools.journal_size(size) >> 20 for size in sizes] == [4, 4, 16, 64]
