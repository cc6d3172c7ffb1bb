"""Content of the cache becomes part of the image without a second copy, on file systems that can do that."""

import os
import random
import re
import shutil
import subprocess

import pytest
import yaml

from workers.creator import build as building
from workers.creator.build import build
from workers.creator.rules import TERMINAL
from workers.errors import HostError
from workers.report import Recorder

LARGE, SMALL = random.Random(1).randbytes((40 << 20) + 1234), random.Random(2).randbytes(9000)
MIB = 1 << 20
SYSTEMS = {"xfs": ["mkfs.xfs", "-q", "-m", "reflink=1"], "btrfs": ["mkfs.btrfs", "-q"]}


@pytest.fixture(params=SYSTEMS)
def disk(request, tmp_path):
    """A folder on a file system of its own that can share blocks."""
    program, *options = SYSTEMS[request.param]
    if os.geteuid() or not shutil.which(program):
        pytest.skip(f"needs root and {program}")
    image, folder = tmp_path / "disk", tmp_path / "mounted"
    folder.mkdir()
    with image.open("xb") as file:
        file.truncate(1 << 30)
    subprocess.run([program, *options, str(image)], check=True, capture_output=True)
    found = subprocess.run(
        ["losetup", "-f", "--show", str(image)], capture_output=True, text=True, check=False
    )
    if found.returncode:
        pytest.skip(f"no free loop device: {found.stderr}")
    device = found.stdout.strip()
    try:
        mount = ["mount", "-t", request.param, device, str(folder)]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"this kernel mounts no {request.param}: {done.stderr}")
        try:
            yield folder
        finally:
            subprocess.run(["umount", str(folder)], check=True)
    finally:
        subprocess.run(["losetup", "-d", device], check=True)


def used(folder):
    subprocess.run(["sync", "-f", str(folder)], check=True)
    facts = os.statvfs(folder)
    return (facts.f_blocks - facts.f_bfree) * facts.f_frsize


def extents(path):
    """The flags of each, as `filefrag` tells them."""
    shown = subprocess.run(["filefrag", "-v", str(path)], check=True, capture_output=True, text=True).stdout
    return [line.rpartition(":")[2].strip() for line in shown.splitlines() if re.match(r"\s+\d+:", line)]


@pytest.fixture
def made(demo_base, key, server, monkeypatch):
    """Builds in a folder: (digest of the image, what `look` finds while the image lies there, log)."""
    files = [
        {"url": server.put(f"/{name}", data), "to": f"/data/{name}"}
        for name, data in (("large.zim", LARGE), ("small", SMALL))
    ]
    output = {"size": "128MiB"}
    recipe = yaml.safe_dump({"base": {"source": str(demo_base)}, "output": output, "files": files})

    def make(folder, *, cache=None, look=lambda image: None):
        found, report, emit = [], Recorder(), building.emit

        def emitting(image, *args, **options):
            found.append(look(image))
            return emit(image, *args, **options)

        with monkeypatch.context() as patch:
            patch.setattr(building, "emit", emitting)
            built = build(
                recipe, folder, name="card", signing_key=key, report=report, rules=TERMINAL, cache_dir=cache
            )
        return built, found[0], report

    return make


def shared(cache):
    """Of the large file in the cache: how many of its extents are shared with others, and how many not."""
    (data,) = [each for each in cache.glob("entries/*/data") if each.stat().st_size == len(LARGE)]
    flags = extents(data)
    return sum("shared" in each for each in flags), sum("shared" not in each for each in flags)


@pytest.mark.loop
def test_no_second_copy(disk, made, tmp_path, server):
    cache = disk / "cache"
    plain, size, _ = made(tmp_path / "plain", look=lambda image: image.stat().st_blocks * 512)
    before = used(disk)

    def look(_):
        return used(disk) - before, *shared(cache)

    first, (grown, together, alone), report = made(disk / "first", cache=cache, look=look)
    assert first.image_sha256 == plain.image_sha256
    assert grown < size + 16 * MIB  # the large file alone has 40
    assert together
    assert alone <= 1  # the last block, which is not whole
    assert not any("is copied into the image" in line for line in report.lines)

    shutil.rmtree(disk / "first")
    before = used(disk)
    second, (grown, together, alone), _ = made(disk / "second", cache=cache, look=look)
    assert second.image_sha256 == plain.image_sha256
    assert grown < size - 24 * MIB
    assert together
    assert alone <= 1
    assert len(server.gets("/large.zim")) == 2  # by the plain build and the first one


@pytest.mark.loop
def test_a_file_system_that_refuses_after_all(disk, made, tmp_path, monkeypatch):
    plain, _, _ = made(tmp_path / "plain")
    monkeypatch.setattr("workers.imaging.image_writer.clone", lambda *_: False)
    built, _, _ = made(disk / "out", cache=disk / "cache", look=lambda _: None)
    assert built.image_sha256 == plain.image_sha256


@pytest.mark.loop
def test_an_entry_that_has_rotten_is_found_though_it_is_not_copied(disk, made):
    made(disk / "first", cache=disk / "cache")
    (data,) = [each for each in disk.glob("cache/entries/*/data") if each.stat().st_size == len(LARGE)]
    times = data.stat()
    data.chmod(0o600)
    with data.open("r+b") as file:
        file.seek(20 * MIB)
        file.write(b"rot")
    os.utime(data, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(HostError) as caught:
        made(disk / "second", cache=disk / "cache")
    assert caught.value.code == "cache_damaged"


def test_elsewhere_it_is_copied_and_the_log_says_so_once(made, tmp_path, monkeypatch):
    monkeypatch.setattr("workers.imaging.image_writer.can_clone", lambda *_: False)
    plain, _, report = made(tmp_path / "plain")
    assert not any("is copied into the image" in line for line in report.lines)
    for name in ("first", "second"):
        built, _, report = made(tmp_path / name, cache=tmp_path / "cache")
        assert built.image_sha256 == plain.image_sha256
        assert sum("is copied into the image" in line for line in report.lines) == 1
