"""Base images: from paths and servers, packed or not, whole or unusable."""

import gzip
import hashlib
import lzma
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import zstandard

from workers.creator.base import copy_sparse, get_base, inspect_base
from workers.creator.cache.door import open_cache
from workers.creator.demo_base import BOOT, DATA, ROOT, SIZE, main, make_demo_base
from workers.creator.fetch import Fetcher
from workers.creator.recipe import Base, Checksum
from workers.errors import Canceled, HostError, JobError
from workers.imaging import mbr
from workers.imaging.ext4 import Ext4
from workers.imaging.ext4_tools import check_ext4
from workers.imaging.fat import Fat

LIMIT = 1 << 30
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def keep(tmp_path, report):
    """A cache's door, as a build holds it open."""
    with ExitStack() as pins:
        cache = open_cache(tmp_path / "cache", report)
        yield lambda wanted, fetch: pins.enter_context(cache.get(wanted, fetch))


@pytest.fixture
def local(report):
    with closing(Fetcher(report, allow_local=True)) as fetcher:
        yield fetcher


def packed(demo_base, kind):
    raw = demo_base.read_bytes()
    return {
        "img": lambda: raw,
        "img.xz": lambda: lzma.compress(raw),
        "img.zst": lambda: zstandard.compress(raw),
    }[kind]()


def test_the_demo_base_is_sound_small_and_always_the_same(demo_base, tmp_path):
    again = tmp_path / "again.img"
    assert main([str(again)]) == 0
    assert again.read_bytes() == demo_base.read_bytes()
    assert again.stat().st_blocks * 512 < 1 << 20
    assert again.stat().st_size == SIZE
    assert mbr.read(again) == [BOOT, ROOT, DATA]
    for partition in (ROOT, DATA):
        check_ext4(again, partition.start)
    with Fat(again, BOOT.start) as boot:
        assert boot.geometry.wide
        assert b"root=LABEL=rootfs" in boot.read("/cmdline.txt")
    with Ext4(again, ROOT.start) as root, Ext4(again, DATA.start) as data:
        assert root.read("/etc/hostname") == b"hotspot\n"
        assert data.super.label == "data"


def test_room_for_a_base_is_asked_for_before_it_is_fetched(server, fetcher, demo_base, tmp_path):
    data = demo_base.read_bytes()
    wanted = Base(source=server.put("/base.img", data))
    with pytest.raises(HostError, match=f"needs up to .* in {tmp_path}, .* are free") as full:
        get_base(wanted, tmp_path, fetcher, limit=LIMIT, size=1 << 60)
    assert full.value.code == "disk_full"
    assert server.gets("/base.img") == []


def test_a_base_that_is_here_already_needs_no_room(server, fetcher, demo_base, tmp_path, keep):
    data = demo_base.read_bytes()
    checksum = Checksum(algo="sha-256", value=hashlib.sha256(data).hexdigest())
    wanted = Base(source=server.put("/base.img", data), checksum=checksum)
    get_base(wanted, tmp_path, fetcher, limit=LIMIT, keep=keep, size=len(data))
    get_base(wanted, tmp_path, fetcher, limit=LIMIT, keep=keep, size=1 << 60)
    assert len(server.gets("/base.img")) == 1


def test_the_demo_base_never_overwrites(demo_base, capsys):
    with pytest.raises(SystemExit) as caught:
        main([str(demo_base)])
    assert caught.value.code == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["img", "img.xz", "img.zst"])
def test_bases_from_a_server(server, fetcher, demo_base, tmp_path, kind):
    data = packed(demo_base, kind)
    url = server.put(f"/base.{kind}", data, cuts=[len(data) // 3])
    checksum = Checksum(algo="sha-256", value=hashlib.sha256(data).hexdigest())
    base = get_base(Base(source=url, checksum=checksum), tmp_path, fetcher, limit=LIMIT)
    assert base.path.read_bytes() == demo_base.read_bytes()
    assert base.path.stat().st_blocks * 512 < 8 << 20
    assert (base.boot, base.root, base.data) == (BOOT, ROOT, DATA)


@pytest.mark.parametrize("kind", ["img.xz", "img.zst"])
def test_packed_bases_from_a_path(local, demo_base, tmp_path, kind):
    source = tmp_path / f"b.{kind}"
    source.write_bytes(packed(demo_base, kind))
    base = get_base(Base(source=str(source)), tmp_path, local, limit=LIMIT)
    assert base.path.read_bytes() == demo_base.read_bytes()


def test_a_raw_local_base_is_used_where_it_is(local, demo_base, tmp_path):
    assert get_base(Base(source=str(demo_base)), tmp_path, local, limit=LIMIT).path == demo_base
    assert list(tmp_path.iterdir()) == []


def test_a_raw_local_base_is_held_to_its_checksum(local, demo_base, tmp_path):
    wrong = Checksum(algo="md5", value="0" * 32)
    with pytest.raises(JobError) as caught:
        get_base(Base(source=str(demo_base), checksum=wrong), tmp_path, local, limit=LIMIT)
    assert caught.value.code == "checksum_mismatch"


def test_a_base_with_a_digest_is_fetched_once(server, fetcher, demo_base, tmp_path, keep):
    data = packed(demo_base, "img.zst")
    wanted = Base(
        source=server.put("/b.img.zst", data),
        checksum=Checksum(algo="sha-256", value=hashlib.sha256(data).hexdigest()),
    )
    for _ in range(2):
        base = get_base(wanted, tmp_path, fetcher, limit=LIMIT, keep=keep)
        assert base.path.read_bytes() == demo_base.read_bytes()
    assert len(server.gets("/b.img.zst")) == 1
    assert [p / "data" for p in (tmp_path / "cache/entries").iterdir()] == [base.path]
    assert base.path.stat().st_blocks * 512 < 8 << 20


def test_a_failed_fetch_leaves_nothing_in_the_cache(server, fetcher, demo_base, tmp_path, keep):
    wanted = Base(
        source=server.put("/b.img", packed(demo_base, "img")), checksum=Checksum(algo="md5", value="0" * 32)
    )
    with pytest.raises(JobError):
        get_base(wanted, tmp_path, fetcher, limit=LIMIT, keep=keep)
    assert list((tmp_path / "cache/entries").iterdir()) == []
    assert list((tmp_path / "cache/incoming").iterdir()) == []


@pytest.mark.parametrize("source", ["/nowhere/base.img", "file:///nowhere/base.img.xz"])
def test_a_missing_base_is_named(local, tmp_path, source):
    with pytest.raises(JobError, match=r"/nowhere/base\.img") as caught:
        get_base(Base(source=source), tmp_path, local, limit=LIMIT)
    assert caught.value.code == "base_missing"


def test_a_base_missing_on_its_server_is_named(server, fetcher, tmp_path):
    with pytest.raises(JobError, match=r"no base image http://127.*/gone\.img") as caught:
        get_base(Base(source=server.url("/gone.img")), tmp_path, fetcher, limit=LIMIT)
    assert caught.value.code == "base_missing"


def test_a_base_larger_than_the_image_is_stopped(server, fetcher, demo_base, tmp_path):
    url = server.put("/b.img.zst", packed(demo_base, "img.zst"))
    with pytest.raises(JobError, match="more than 1000000 bytes") as caught:
        get_base(Base(source=url), tmp_path, fetcher, limit=1_000_000)
    assert caught.value.code == "too_large"


DATA_FIRST = mbr.Partition(3, 131, BOOT.start, BOOT.length)
BOOT_LAST = mbr.Partition(1, 12, DATA.start, DATA.length)


def edit(demo_base, path, *partitions, kind=None):
    raw = bytearray(demo_base.read_bytes())
    raw[:512] = mbr.new_table(partitions, 1)
    if kind:
        raw[446 + 4] = kind
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize(
    ("partitions", "kind", "words"),
    [
        ((BOOT, ROOT), None, r"\[1, 2\]; it needs"),
        ((DATA_FIRST, ROOT, BOOT_LAST), None, "not the last one"),
        ((BOOT, ROOT, DATA), 0xEE, "hybrid"),
    ],
    ids=["two partitions", "data first", "gpt"],
)  # fmt: skip
def test_bases_of_another_shape_are_refused(demo_base, tmp_path, partitions, kind, words):
    path = edit(demo_base, tmp_path / "odd.img", *partitions, kind=kind)
    with pytest.raises(JobError, match=words) as caught:
        inspect_base(path, "odd.img")
    assert caught.value.code == "bad_base"


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>no image</html>" * 100, gzip.compress(b"x" * 10_000)],
    ids=["nothing", "a page", "too short"],
)
def test_what_is_no_image_is_refused(server, fetcher, tmp_path, data):
    with pytest.raises(JobError):
        get_base(Base(source=server.put("/b.img", data)), tmp_path, fetcher, limit=LIMIT)


def test_holes_stay_holes_when_a_base_is_copied(demo_base, tmp_path, report):
    copy = tmp_path / "copy.img"
    copy.touch()
    copy_sparse(demo_base, copy, DATA.start, report)
    assert copy.read_bytes() == demo_base.read_bytes()[: copy.stat().st_size]
    assert copy.stat().st_blocks <= demo_base.stat().st_blocks
    report.canceled.set()
    with pytest.raises(Canceled):
        copy_sparse(demo_base, copy, DATA.start, report)


def test_base_images_in_the_wild_have_any_boot_code(tmp_path):
    """Only the table is ours to change: what stands before it stays."""
    make_demo_base(tmp_path / "b.img")
    with (tmp_path / "b.img").open("r+b") as file:
        file.write(b"\xeb\x63BOOT")
    mbr.resize(tmp_path / "b.img", 3, DATA.length - 4096)
    assert (tmp_path / "b.img").read_bytes()[:6] == b"\xeb\x63BOOT"


def test_the_command_makes_it_too(tmp_path):
    command = [sys.executable, "-m", "workers.creator.demo_base", str(tmp_path / "b.img")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "b.img").stat().st_size == SIZE
