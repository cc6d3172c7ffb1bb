"""Tars that are unpacked while they arrive: one pass, the same image, and nothing kept of what is wrong."""

import bz2
import gzip
import hashlib
import io
import lzma
import tarfile
import threading
import zipfile

import pytest
import yaml
import zstandard

from tests.integration.creator.test_archives_in_images import LESSON, lessons_tar
from tests.integration.creator.test_build import left, unpack
from workers.creator import depot
from workers.creator.build import build
from workers.creator.cache.door import open_cache
from workers.creator.demo_base import DATA
from workers.creator.fetch import Fetcher
from workers.creator.rules import TERMINAL
from workers.creator.stream import Pipe
from workers.errors import Canceled, JobError
from workers.imaging.ext4 import Ext4
from workers.report import Recorder

PACKERS = {"tar": bytes, "gztar": gzip.compress, "bztar": bz2.compress, "xztar": lzma.compress,
           "zst": zstandard.compress}  # fmt: skip
PACKED = gzip.compress(lessons_tar(), mtime=0)


@pytest.fixture
def make(tmp_path, key):
    def run(recipe, out="out", report=None, **more):
        how = {"name": "card", "signing_key": key, "report": report or Recorder(), "rules": TERMINAL, **more}
        return build(yaml.safe_dump(recipe, sort_keys=False), tmp_path / out, **how)

    return run


@pytest.fixture
def recipe(demo_base, server):
    return {
        "base": {"source": str(demo_base)},
        "output": {"size": DATA.start + (64 << 20)},
        "files": [
            {"to": "/data/lessons", "via": "gztar", "url": server.put("/a.tgz", PACKED)},
            {"to": "/data/plain.bin", "url": server.put("/plain", LESSON)},
        ],
    }


@pytest.fixture
def on_disk(monkeypatch):
    """How many bytes of fetched content were put on the disk, file by file."""
    seen = []
    write = depot.FileSink.write

    def count(self, data):
        seen.append(len(data))
        write(self, data)

    monkeypatch.setattr(depot.FileSink, "write", count)
    return seen


def check_lessons(out):
    with Ext4(unpack(out), DATA.start) as fs:
        assert fs.read("/lessons/school/lesson.bin") == fs.read("/plain.bin") == LESSON
        assert fs.find("/lessons/school/again").number == fs.find("/lessons/school/lesson.bin").number
        assert fs.target(fs.find("/lessons/school/link")) == "lesson.bin"


@pytest.mark.parametrize("via", PACKERS)
def test_it_passes_once_and_the_image_is_the_same(make, recipe, server, tmp_path, on_disk, via):
    recipe["files"][0] |= {"via": via, "url": server.put("/a", PACKERS[via](lessons_tar()))}
    streamed = make(recipe, "one")
    assert on_disk == []
    assert server.gets("/a") == [""]
    check_lessons(tmp_path / "one")
    server.pages["/a"].ranges = False  # a cut could not be mended: it is fetched before it is unpacked
    assert make(recipe, "two") == streamed
    assert sum(on_disk) == len(server.pages["/a"].data)


def test_without_a_size_of_the_image_the_archive_has_to_come_first(make, recipe, tmp_path, on_disk):
    del recipe["output"]
    make(recipe)
    assert sum(on_disk) == len(PACKED)
    check_lessons(tmp_path / "out")


def test_a_cut_transfer_goes_on(make, recipe, server, tmp_path, on_disk):
    whole = make(recipe, "one")
    server.pages["/a.tgz"].cuts = [100_000, 200_000]
    assert make(recipe, "two") == whole
    assert (len(server.gets("/a.tgz")), on_disk) == (4, [])


def test_one_that_begins_anew_is_fetched_first(make, recipe, server, tmp_path, report):
    """What was unpacked cannot be taken back."""
    server.pages["/a.tgz"].cuts = [300_000]
    server.pages["/a.tgz"].after_cut = PACKED  # the same, but by another name
    make(recipe, report=report)
    assert (
        "it came from the start again: the archives are fetched now before they are unpacked" in report.lines
    )
    check_lessons(tmp_path / "out")


@pytest.mark.parametrize("cached", [False, True])
def test_what_came_early_beside_one_that_begins_anew(make, recipe, server, tmp_path, report, cached):
    """The second pass finds what the first one has fetched to the disk."""
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("early.txt", "early")
    url = server.put("/early.zip", other.getvalue())
    recipe["files"].append({"to": "/data/early", "via": "zip", "url": url})
    server.pages["/a.tgz"].cuts = [300_000]
    server.pages["/a.tgz"].after_cut = PACKED
    make(recipe, report=report, **({"cache_dir": tmp_path / "cache"} if cached else {}))
    assert any("it came from the start again" in line for line in report.lines)
    check_lessons(tmp_path / "out")
    with Ext4(unpack(tmp_path / "out"), DATA.start) as fs:
        assert fs.read("/early/early.txt") == b"early"


def test_more_files_than_it_looked_like(make, recipe, server, tmp_path, report):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for number in range(1500):
            tar.addfile(tarfile.TarInfo(f"f{number}"))
    recipe["files"][0]["url"] = server.put("/many", gzip.compress(out.getvalue()))
    make(recipe, report=report)
    assert any("no room for more files" in line and "fetched now" in line for line in report.lines)
    with Ext4(unpack(tmp_path / "out"), DATA.start) as fs:
        assert sum(path.startswith("/lessons/f") for path, _ in fs.walk()) == 1500


def test_what_never_fits_is_named_with_what_it_needs(make, recipe, server, tmp_path):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        info = tarfile.TarInfo("large")
        info.size = 90 << 20
        tar.addfile(info, io.BytesIO(bytes(range(256)) * (info.size >> 8)))
    recipe["files"][0]["url"] = server.put("/large", gzip.compress(data.getvalue(), 1))
    with pytest.raises(JobError, match="the image needs at least") as caught:
        make(recipe)
    assert caught.value.code == "too_large"
    assert left(tmp_path / "out") == []


def test_a_copy_that_is_damaged_does_not_end_the_build(make, recipe, server, tmp_path, report):
    digest = hashlib.sha256(PACKED).hexdigest()
    bad, good = server.put("/bad", PACKED[:5000] + PACKED[5001:] + b"X"), server.put("/good", PACKED)
    page = (
        f'<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="a"><size>{len(PACKED)}</size>'
        f'<hash type="sha-256">{digest}</hash><url>{bad}</url><url>{good}</url></file></metalink>'
    )
    recipe["files"][0]["url"] = server.put("/a.meta4", page.encode())
    make(recipe, report=report)
    assert any("the digest is wrong" in line for line in report.lines)
    check_lessons(tmp_path / "out")


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("data", [PACKED, PACKED[:-1] + b"X", b"no archive"])
def test_nothing_is_kept_of_an_archive_with_a_wrong_digest(make, recipe, server, tmp_path, cached, data):
    server.put("/a.tgz", data)
    recipe["files"][0]["checksum"] = {"algo": "sha-256", "value": "ab" * 32}
    cache = {"cache_dir": tmp_path / "cache"} if cached else {}
    with pytest.raises(JobError) as caught:
        make(recipe, **cache)
    assert caught.value.code == "checksum_mismatch"
    assert left(tmp_path / "out") == []
    if cached:
        kept = open_cache(tmp_path / "cache", Recorder()).entries()
        assert [entry.facts.source for entry, _ in kept if entry.facts.source.endswith("tgz")] == []
        assert list((tmp_path / "cache/incoming").iterdir()) == []


def test_into_the_cache_and_the_image_at_once(make, recipe, server, tmp_path, on_disk, monkeypatch):
    reads = []
    read = Fetcher.read

    def count(self, place, sink, **more):
        reads.append(place)
        return read(self, place, sink, **more)

    monkeypatch.setattr(Fetcher, "read", count)
    first = make(recipe, "one", cache_dir=tmp_path / "cache")
    assert sum(on_disk) == len(PACKED) + len(LESSON)
    assert reads == []
    assert make(recipe, "two", cache_dir=tmp_path / "cache") == first == make(recipe, "three")
    assert len(reads) == 2  # straight from the cache, once each
    assert len(server.gets("/a.tgz")) == 2
    kept = {entry.facts.content for entry, _ in open_cache(tmp_path / "cache", Recorder()).entries()}
    assert kept == {hashlib.sha256(data).hexdigest() for data in (PACKED, LESSON)}


def test_a_cache_whose_disk_is_full_meanwhile(make, recipe, tmp_path, monkeypatch):
    """The file begins again without the cache."""
    write = depot.FileSink.write

    def fail(self, data):
        write(self, data)
        raise OSError(28, "no space")

    monkeypatch.setattr(depot.FileSink, "write", fail)
    del recipe["files"][0]
    make(recipe, cache_dir=tmp_path / "cache")
    with Ext4(unpack(tmp_path / "out"), DATA.start) as fs:
        assert fs.read("/plain.bin") == LESSON


def test_where_the_base_has_files_the_archive_wins_as_ever(make, recipe, server, tmp_path, on_disk):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("base.txt")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"new"))
    recipe["files"][0] |= {"to": "/data/conf", "url": server.put("/c", gzip.compress(out.getvalue()))}
    make(recipe)
    assert on_disk
    with Ext4(unpack(tmp_path / "out"), DATA.start) as fs:
        assert fs.read("/conf/base.txt") == b"new"


def test_a_bomb_is_refused_at_its_first_fetch(make, recipe, server, tmp_path):
    header = tarfile.TarInfo("zeros")
    header.size = 120 << 20
    recipe["output"]["size"] = "1GiB"
    recipe["files"][0]["url"] = server.put("/b", gzip.compress(header.tobuf() + bytes(header.size + 1024), 6))
    with pytest.raises(JobError, match="refused as a bomb"):
        make(recipe)
    assert server.gets("/b") == [""]
    assert left(tmp_path / "out") == []


def test_a_cancel_while_nothing_comes(make, recipe, server, tmp_path, report):
    server.pages["/a.tgz"].stall_after = 200_000
    stop = threading.Thread(target=lambda: server.stalled.wait(60) and report.canceled.set())
    stop.start()
    with pytest.raises(Canceled):
        make(recipe, report=report)
    stop.join()
    assert left(tmp_path / "out") == []


# The pipe.


def test_a_pipe_gives_what_came_and_then_the_trouble():
    pipe = Pipe()
    pipe.write(b"one")
    pipe.end(JobError("checksum_mismatch", "wrong"))
    pieces = pipe.pieces(lambda: None)
    assert next(pieces) == b"one"
    with pytest.raises(JobError, match="wrong"):
        next(pieces)


def test_a_pipe_holds_little_and_lets_go_of_the_writer_when_it_is_closed():
    pipe, ended = Pipe(), []

    def write():
        try:
            for _ in range(100):
                pipe.write(bytes(1 << 20))
        except Canceled:
            ended.append(True)

    writer = threading.Thread(target=write)
    writer.start()
    taken = sum(len(next(pipe.pieces(lambda: None))) for _ in range(20))
    pipe.close()
    writer.join(60)
    assert (taken, ended) == (20 << 20, [True])
