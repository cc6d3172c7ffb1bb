"""Trees of files: what was put in comes out of a reader of our own, of debugfs and of the kernel."""

import os
import random
import stat
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.imaging_fs.conftest import IDENTITY, NOW
from tests.unit.imaging_fs.ext4_reader import Reader
from workers.errors import JobError
from workers.imaging.ext4 import Ext4
from workers.imaging.ext4_fill import Ext4Fill, Owner
from workers.imaging.ext4_tools import check_ext4, find_program, make_ext4
from workers.imaging.ranges import Range

OFFSET = 3 << 20
FILE, FOLDER = Owner(NOW), Owner(NOW, mode=0o755)


def put(fs, path, data, owner=FILE, **options):
    file = fs.create(path, len(data), owner, folders=FOLDER, **options)
    file.write(data)
    return data


def tree(image):
    raw = image.read_bytes()[OFFSET:]
    return {path.decode(): node for path, node in Reader(raw).tree()}


@contextmanager
def mounted(image, folder, offset=OFFSET):
    """The kernel's view; skips without root or a free loop device."""
    if os.geteuid():
        pytest.skip("mounting needs root")
    folder.mkdir()
    command = ["losetup", "-f", "--show", "-r", "-o", str(offset), str(image)]
    loop = subprocess.run(command, capture_output=True, text=True, check=False)
    if loop.returncode:
        pytest.skip(f"no free loop device: {loop.stderr}")
    device = loop.stdout.strip()
    try:
        subprocess.run(["mount", "-o", "ro,noload", device, str(folder)], check=True)
        try:
            yield folder
        finally:
            subprocess.run(["umount", str(folder)], check=True)
    finally:
        subprocess.run(["losetup", "-d", device], check=True)


NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=60
).filter(lambda name: name not in {".", "..", "lost+found"} and len(name.encode()) <= 255)
OWNERS = st.builds(
    Owner,
    mtime=st.integers(-(2**31), 2**33),
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 2**32 - 2),
    gid=st.integers(0, 2**32 - 2),
    nanoseconds=st.integers(0, 999_999_999),
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["user.a", "user.long name", "trusted.x", "security.capability"]), st.binary(max_size=700)
)
FILES = st.tuples(st.integers(0, 70_000), OWNERS, ATTRIBUTES)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda names: "/" + "/".join(names))


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)
@given(
    st.dictionaries(PATHS, FILES, max_size=12),
    st.lists(st.tuples(PATHS, st.text("ab/.ü", min_size=1, max_size=300)), max_size=3),
)
def test_any_tree_comes_out_as_it_went_in(files, links):
    rng = random.Random(7)
    expected, targets = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "img"
        with image.open("xb") as file:
            file.truncate(OFFSET + (16 << 20))
        make_ext4(image, OFFSET, 16 << 20, IDENTITY, now=NOW)
        with Ext4Fill(image, OFFSET, now=NOW) as fs:
            for path, (size, owner, attributes) in files.items():
                data = rng.randbytes(size)
                try:
                    put(fs, path, data, owner)
                except JobError as error:
                    assert error.code == "name_taken"  # a file where another one needs a folder
                    continue
                fs.attribute(path, attributes)
                expected[path] = (data, owner, attributes)
            for path, target in links:
                try:
                    fs.symlink(path, target, FILE, folders=FOLDER)
                except JobError as error:
                    assert error.code == "name_taken"
                    continue
                targets[path] = target
        check_ext4(image, OFFSET)
        found = tree(image)
    for path, (data, owner, attributes) in expected.items():
        node = found.pop(path)
        assert (node.content, node.attributes, node.links) == (data, attributes, 1)
        assert (node.uid, node.gid, stat.S_IMODE(node.mode)) == (owner.uid, owner.gid, owner.mode)
        assert node.ns == owner.mtime * 10**9 + owner.nanoseconds
    for path, target in targets.items():
        assert found.pop(path).content == target.encode()
    assert all(stat.S_ISDIR(node.mode) for node in found.values())


def test_the_kernel_sees_all_of_it(ext4, tmp_path):
    image, rng = ext4(inodes=3000), random.Random(1)
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        data = put(
            fs, "/a/ü/data", rng.randbytes(100_001), Owner(5, 0o751, 70_000, 3, nanoseconds=123_456_789)
        )
        fs.hardlink("/b/again", "/a/ü/data", folders=FOLDER)
        fs.attribute("/a/ü/data", {"user.x": b"1" * 3000, "user.y": b"\0\xff"})
        for number in range(2500):
            put(fs, f"/many/{number} {'x' * (number % 40)}", b"")
        holes = fs.create("/holes", 10 << 20, FILE, folders=FOLDER, data=[Range(4 << 20, 5000)])
        holes.write(bytes(4 << 20) + b"h" * 5000 + bytes((6 << 20) - 5000))
    check_ext4(image, OFFSET)
    with mounted(image, tmp_path / "mount") as root:
        facts = (root / "a/ü/data").stat()
        assert (root / "b/again").read_bytes() == data
        assert (facts.st_nlink, facts.st_mtime_ns, facts.st_uid) == (2, 5_123_456_789, 70_000)
        assert os.getxattr(root / "a/ü/data", "user.x") == b"1" * 3000
        assert os.getxattr(root / "a/ü/data", "user.y") == b"\0\xff"
        names = {f"{number} {'x' * (number % 40)}" for number in range(2500)}
        assert {each.name for each in (root / "many").iterdir()} == names
        assert all((root / "many" / name).exists() for name in names)  # found by hash, one by one
        assert not (root / "many/2500 ").exists()
        assert (root / "holes").stat().st_blocks * 512 == 8192
        assert (root / "holes").read_bytes() == bytes(4 << 20) + b"h" * 5000 + bytes((6 << 20) - 5000)


@pytest.mark.parametrize("count", [150, 20_000])
def test_long_folders_are_indexed(ext4, count):
    image = ext4(64 << 20, inodes=count + 100)
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        for number in range(count):
            put(fs, f"/many/{number:07} is a name", b"")
    check_ext4(image, OFFSET)  # e2fsck knows where each hash must be
    found = tree(image)
    assert found["/many"].indexed
    assert sum(path.startswith("/many/") for path in found) == count


def test_an_index_of_two_levels(ext4):
    image = ext4(128 << 20, inodes=15_000)
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        for number in range(9000):
            put(fs, f"/many/{number:0240}", b"")
    check_ext4(image, OFFSET)
    dump = subprocess.run(
        [find_program("debugfs"), "-R", "htree_dump /many", f"{image}?offset={OFFSET}"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "Indirect levels: 1" in dump


def test_an_indexed_folder_that_was_there_grows_and_shrinks(ext4):
    image = ext4(inodes=4000)
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        for number in range(1000):
            put(fs, f"/many/{number:0100}", b"1")
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        for number in range(1000, 1500):
            put(fs, f"/many/{number:0100}", b"2")
    check_ext4(image, OFFSET)
    assert len(tree(image)) == 1503
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        free = fs.super.free_blocks
        for number in range(1495):
            fs.remove(f"/many/{number:0100}")
    check_ext4(image, OFFSET)
    found = tree(image)
    assert len(found) == 8
    assert not found["/many"].indexed
    with Ext4(image, OFFSET) as fs:
        assert fs.super.free_blocks > free + 1495


def test_a_file_is_replaced(ext4):
    image = ext4()
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        put(fs, "/etc/a", b"old" * 9000)
        fs.attribute("/etc/a", {"user.big": b"x" * 3000})
        fs.hardlink("/etc/b", "/etc/a", folders=FOLDER)
        fs.symlink("/etc/l", "x" * 200, FILE, folders=FOLDER)
        before = fs.super.free_blocks
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        for name in ("a", "b", "l"):
            fs.remove(f"/etc/{name}")
        put(fs, "/etc/a", b"new")
        assert not fs.exists("/etc/b")
        with pytest.raises(JobError, match="/etc/b"):
            fs.remove("/etc/b")
        with pytest.raises(JobError, match="is a folder"):
            fs.remove("/etc")
    check_ext4(image, OFFSET)
    found = tree(image)
    assert set(found) == {"/", "/lost+found", "/etc", "/etc/a"}
    assert found["/etc/a"].content == b"new"
    with Ext4(image, OFFSET) as fs:
        assert fs.super.free_blocks == before - 2  # the folder and the new file


def test_attributes_that_do_not_fit_are_named(ext4):
    with Ext4Fill(ext4(), OFFSET, now=NOW) as fs:
        put(fs, "/a", b"")
        with pytest.raises(JobError, match=r"/a.*4096.*user\.big alone has 5000") as caught:
            fs.attribute("/a", {"user.big": b"x" * 5000})
    assert caught.value.code == "attributes_too_large"


@pytest.mark.parametrize("path", ["/" + "x" * 256, "/a/..", "/./b"])
def test_impossible_names_are_refused(ext4, path):
    with Ext4Fill(ext4(), OFFSET, now=NOW) as fs, pytest.raises(JobError, match="255") as caught:
        put(fs, path, b"")
    assert caught.value.code == "bad_name"


@pytest.mark.parametrize("target", ["", "x" * 4096])
def test_impossible_links_are_refused(ext4, target):
    with Ext4Fill(ext4(), OFFSET, now=NOW) as fs:
        with pytest.raises(JobError, match="1 to 4095") as caught:
            fs.symlink("/l", target, FILE, folders=FOLDER)
        put(fs, "/d/f", b"")
        with pytest.raises(JobError, match="/d cannot have one more name"):
            fs.hardlink("/e", "/d", folders=FOLDER)
    assert caught.value.code == "bad_link"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-O", "inline_data"], "inline_data"),
        (["-O", "quota"], "quota"),
        (["-O", "^extent,^64bit,^flex_bg,^huge_file,^dir_nlink,^extra_isize"], "no extent"),
        (["-O", "bigalloc", "-C", "16384"], "bigalloc"),
    ],
)
def test_features_that_we_cannot_keep_right_are_refused(tmp_path, options, words):
    image = tmp_path / "img"
    with image.open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run([find_program("mke2fs"), "-q", "-F", "-t", "ext4", *options, str(image)], check=True)
    with pytest.raises(JobError, match=words) as caught:
        Ext4Fill(image, 0, now=NOW)
    assert caught.value.code == "bad_filesystem"


def test_content_from_a_file_is_seen_once_in_order(ext4, tmp_path):
    """Without copies in between; holes of the target are not read, but seen as zeros."""
    image, rng = ext4(48 << 20), random.Random(4)
    data = rng.randbytes(9_000_003) + bytes(200_000) + rng.randbytes(77)
    source = tmp_path / "source"
    source.write_bytes(data)
    seen, told = bytearray(), []
    ranges = [Range(0, 9_003_008), Range(9_199_616, len(data) - 9_199_616)]
    fd = os.open(source, os.O_RDONLY)
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        file = fs.create("/a", len(data), FILE, folders=FOLDER, data=ranges)
        file.copy_from(fd, sees=seen.extend, tell=told.append)
        longer = fs.create("/b", len(data) + 1, FILE, folders=FOLDER)
        with pytest.raises(JobError) as caught:
            longer.copy_from(fd, tell=told.append)
    os.close(fd)
    assert caught.value.code == "size_mismatch"
    assert bytes(seen) == data
    assert told[0] <= 4 << 20
    assert tree(image)["/a"].content == data


def test_files_are_filled_side_by_side(ext4):
    """As several downloads do: each in its own order, all at once, one beginning again."""
    image, rng = ext4(64 << 20), random.Random(9)
    contents = {f"/f{n}": rng.randbytes(3_000_000 + n) for n in range(9)}
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        files = {path: fs.create(path, len(data), FILE, folders=FOLDER) for path, data in contents.items()}
        files["/f3"].write(b"w" * 1_234_567)
        files["/f3"].rewind()
        for at in range(0, 3_000_009, 77_777):
            for path, file in files.items():
                file.write(contents[path][at : at + 77_777])
    found = tree(image)
    assert all(found[path].content == data for path, data in contents.items())
    check_ext4(image, OFFSET)
