"""Without the library: mke2fs and debugfs fill, plain Python reads; what comes out is the same."""

import os
import random
import stat

import pytest

from tests.unit.imaging_fs.conftest import NOW
from tests.unit.imaging_fs.test_ext4_trees import FILE, FOLDER, OFFSET, tree
from workers.errors import HostError, JobError
from workers.imaging import libext2fs
from workers.imaging.ext4 import Ext4
from workers.imaging.ext4_fill import Ext4Fill, Owner
from workers.imaging.ext4_plain import Ext4Plain
from workers.imaging.ext4_staged import Ext4Staged
from workers.imaging.ext4_tools import check_ext4, run_debugfs
from workers.imaging.ext4_ways import open_ext4, open_fill
from workers.imaging.ranges import Range
from workers.report import Recorder

DATA = random.Random(5).randbytes(2_500_001)


@pytest.fixture
def no_library(monkeypatch):
    libext2fs.lib.cache_clear()
    monkeypatch.setattr(libext2fs, "NAME", "libnothing.so.9")
    yield
    libext2fs.lib.cache_clear()


def fill(fs):
    fs.own("/", Owner(NOW, 0o750, 1, 2))
    fs.makedirs("/deep/ü", FOLDER)
    fs.own("/deep", Owner(-5, 0o700, 70_000, 80_000, 999_999_999))
    for path, data, owner in (
        ("/deep/ü/data", DATA, Owner(NOW, 0, 1000, 100, 123_456_789)),
        ('/odd " name\n', b"1", Owner(2**33, 0o4711, 2**32 - 2, 5)),
        ("/empty", b"", FILE),
        ("/lost+found/here", b"found", FILE),
    ):
        fs.create(path, len(data), owner, folders=FOLDER).write(data)
    fs.hardlink("/again", "/deep/ü/data", folders=FOLDER)
    fs.symlink("/short", "deep/ü", Owner(7, uid=9, nanoseconds=1), folders=FOLDER)
    fs.symlink("/long", "x" * 300, FILE, folders=FOLDER)
    holes = fs.create("/holes", 9 << 20, FILE, folders=FOLDER, data=[Range(4 << 20, 4096)])
    holes.write(bytes(4 << 20) + b"h" * 4096)
    holes.write(bytes((5 << 20) - 4096))
    for number in range(300):
        fs.create(f"/many/{number}", 3, FILE, folders=FOLDER).write(b"%03d" % number)
    fs.attribute("/deep/ü/data", {"user.a": b"\0\xff", "user.long name": b"1" * 3000})
    fs.attribute("/deep", {"trusted.x": b"blue", "security.y": b""})


def told(fs):
    """All that a reader says of a file system, but for numbers of inodes and blocks."""
    found = {}
    for path, facts in [("/", fs.find("/")), *fs.walk()]:
        content = fs.target(facts) if stat.S_ISLNK(facts.mode) else b""
        if stat.S_ISREG(facts.mode):
            content = b"".join(fs.pieces(facts.number))
        ranges = fs.data_ranges(facts) if stat.S_ISREG(facts.mode) else []
        attributes = fs.attributes(facts.number)
        found[path] = (facts.mode, facts.owner, facts.links, facts.size * (not stat.S_ISDIR(facts.mode)))
        found[path] += (content, ranges, attributes)
    return found


def test_both_ways_give_the_same(ext4):
    fast, slow = ext4(name="fast"), ext4(name="slow")
    for image, way in ((fast, Ext4Fill), (slow, Ext4Staged)):
        with way(image, OFFSET, now=NOW) as fs:
            fill(fs)
        check_ext4(image, OFFSET)
    with Ext4(fast, OFFSET) as one, Ext4(slow, OFFSET) as other:
        expected = told(one)
        assert told(other) == expected
        assert one.super.inode_size == other.super.inode_size
        assert (one.super.label, one.super.uuid, one.super.features) == (
            other.super.label, other.super.uuid, other.super.features,
        )  # fmt: skip
    for image in (fast, slow):
        with Ext4Plain(image, OFFSET) as plain:
            assert told(plain) == expected
            assert plain.find("/many/nothing") is None
            assert plain.read("/deep/ü/data") == DATA
    nodes = tree(slow)
    assert nodes["/again"].content == DATA
    assert (nodes["/again"].links, nodes["/again"].inode) == (2, nodes["/deep/ü/data"].inode)
    assert nodes["/deep"].ns == -5 * 10**9 + 999_999_999
    assert sorted(each.name for each in slow.parent.iterdir()) == ["fast", "slow"]


def test_content_is_copied_and_seen(ext4, tmp_path):
    place, seen, done = tmp_path / "source", [], []
    place.write_bytes(DATA)
    with Ext4Staged(ext4(), OFFSET, now=NOW) as fs, place.open("rb") as source:
        file = fs.create("/a", len(DATA), FILE, folders=FOLDER)
        file.write(b"void")
        file.copy_from(source.fileno(), sees=lambda piece: seen.append(bytes(piece)), tell=done.append)
        longer = fs.create("/b", len(DATA) + 1, FILE, folders=FOLDER)
        with pytest.raises(JobError) as caught:
            longer.copy_from(source.fileno(), tell=done.append)
        assert caught.value.code == "size_mismatch"
        with pytest.raises(JobError):
            file.write(b"1")
    assert b"".join(seen) == DATA
    assert len(DATA) in done
    with Ext4(tmp_path / "img", OFFSET) as fs:
        assert fs.read("/a") == DATA


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda fs: fs.create("/a", 1, FILE, folders=FOLDER), "name_taken"),
        (lambda fs: fs.create("/a/b", 1, FILE, folders=FOLDER), "name_taken"),
        (lambda fs: fs.create("/link/b", 1, FILE, folders=FOLDER), "name_taken"),  # never through it
        (lambda fs: fs.create("/../b", 1, FILE, folders=FOLDER), "bad_name"),
        (lambda fs: fs.makedirs("/x/../../b", FOLDER), "bad_name"),
        (lambda fs: fs.makedirs("/a", FOLDER), "name_taken"),
        (lambda fs: fs.create("/" + "n" * 256, 1, FILE, folders=FOLDER), "bad_name"),
        (lambda fs: fs.symlink("/b", "x" * 4096, FILE, folders=FOLDER), "bad_link"),
        (lambda fs: fs.hardlink("/b", "/dir", folders=FOLDER), "bad_link"),
        (lambda fs: fs.hardlink("/b", "/nothing", folders=FOLDER), "no_such_file"),
    ],
)
def test_what_must_not_be_is_refused_and_nothing_is_left(ext4, tmp_path, change, code):
    image = ext4()
    before = image.read_bytes()

    def fill(fs):
        fs.create("/a", 1, FILE, folders=FOLDER)
        fs.makedirs("/dir", FOLDER)
        fs.symlink("/link", str(tmp_path), FILE, folders=FOLDER)
        change(fs)

    with pytest.raises(JobError) as caught, Ext4Staged(image, OFFSET, now=NOW) as fs:
        fill(fs)
    assert caught.value.code == code
    assert image.read_bytes() == before
    assert os.listdir(tmp_path) == ["img"]  # noqa: PTH208  # the bare names


def test_a_bad_attribute_name_is_refused(ext4):
    def fill(fs):
        fs.makedirs("/a", FOLDER)
        fs.attribute("/a", {'user."': b"1"})

    with pytest.raises(JobError, match="attribute"), Ext4Staged(ext4(), OFFSET, now=NOW) as fs:
        fill(fs)


def test_the_way_is_chosen_by_itself(ext4, no_library):
    image, report = ext4(), Recorder()
    with open_fill(image, OFFSET, now=NOW, report=report) as fs:
        assert isinstance(fs, Ext4Staged)
        fs.create("/a", 1, FILE, folders=FOLDER).write(b"1")
    with open_ext4(image, OFFSET) as plain:
        assert isinstance(plain, Ext4Plain)
        assert plain.read("/a") == b"1"
    (line,) = report.lines
    assert "libnothing.so.9" in line
    assert "install the package e2fsprogs" in line


def test_with_the_library_nothing_is_said(ext4):
    report = Recorder()
    with open_fill(ext4(), OFFSET, now=NOW, report=report) as fs:
        assert isinstance(fs, Ext4Fill)
    assert report.lines == []


def test_a_library_that_is_too_old_counts_as_missing(ext4, monkeypatch):
    libext2fs.lib.cache_clear()
    monkeypatch.setattr(libext2fs, "NAME", "libc.so.6")
    with open_ext4(ext4(), OFFSET) as fs:
        assert isinstance(fs, Ext4Plain)
    libext2fs.lib.cache_clear()


def test_debugfs_must_not_fail_unheard(ext4):
    with pytest.raises(HostError) as caught:
        run_debugfs(ext4(), OFFSET, ["sif <12> nonsense 5"], now=NOW)
    assert caught.value.code == "debugfs_failed"


@pytest.mark.parametrize("number", [0, 1 << 31])
def test_inodes_that_are_none(ext4, number):
    with Ext4Plain(ext4(), OFFSET) as fs, pytest.raises(JobError) as caught:
        fs.facts(number)
    assert caught.value.code == "bad_filesystem"
