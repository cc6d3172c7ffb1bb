"""Whole builds from bases of every kind, and on hosts of every kind."""

import io
import os
import random
import shutil
import subprocess
import tarfile
import uuid

import pytest

from tests.integration.creator.test_build import SHA, ZIM, make, recipe, unpack
from workers.creator.demo_base import DATA
from workers.errors import JobError
from workers.imaging import libext2fs, table
from workers.imaging.ext4 import Ext4, Superblock
from workers.imaging.ext4_fill import Ext4Fill, Owner
from workers.imaging.ext4_tools import CHOSEN, check_ext4, find_program
from workers.imaging.ranges import Range
from workers.report import Recorder

__all__ = ["make", "recipe"]  # fixtures

MIB = 1 << 20
SBIN = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
OWNER, FOLDER = Owner(1_600_000_000, 0o640, 1000, 100, 123_456_789), Owner(1_500_000_000, 0o755)
NOTES = random.Random(3).randbytes(70_000)


def furnish(base):
    """Links of both kinds, attributes and holes on a base's data partition."""
    with Ext4Fill(base, DATA.start, now=9) as fs:
        fs.create("/home/notes", len(NOTES), OWNER, folders=FOLDER).write(NOTES)
        fs.hardlink("/again/notes", "/home/notes", folders=FOLDER)
        fs.symlink("/home/link", "notes", OWNER, folders=FOLDER)
        fs.attribute("/home/notes", {"user.colour": b"\0blue", "user.long": b"l" * 2000})
        fs.attribute("/home", {"user.of folder": b"1"})
        holes = fs.create("/holes", 5 * MIB, OWNER, folders=FOLDER, data=[Range(2 * MIB, 4096)])
        holes.write(bytes(2 * MIB) + b"h" * 4096)
    return base


@pytest.fixture
def furnished(demo_base, tmp_path):
    return furnish(shutil.copy(demo_base, tmp_path / "own.img"))


def assert_furnished(image, *, start=DATA.start):
    check_ext4(image, start)
    with Ext4(image, start) as fs:
        notes, again, holes = fs.find("/home/notes"), fs.find("/again/notes"), fs.find("/holes")
        assert (fs.read("/again/notes"), notes.number, notes.links) == (NOTES, again.number, 2)
        assert notes.owner == OWNER
        assert fs.attributes(notes.number) == {"user.colour": b"\0blue", "user.long": b"l" * 2000}
        assert fs.attributes(fs.find("/home").number) == {"user.of folder": b"1"}
        assert fs.target(fs.find("/home/link")) == "notes"
        assert fs.data_ranges(holes) == [Range(2 * MIB, 4096)]
        assert fs.read("/holes") == (bytes(2 * MIB) + b"h" * 4096).ljust(5 * MIB, b"\0")
        assert fs.read("/zims/one.zim") == ZIM


def test_links_attributes_and_holes_are_carried_over(make, recipe, furnished, tmp_path):
    recipe["base"]["source"] = str(furnished)
    make(recipe)
    assert_furnished(unpack(tmp_path / "out"))


def test_the_new_data_partition_has_the_features_of_the_bases(make, recipe, demo_base, tmp_path):
    """This base's system knows neither checksums nor wide block numbers, and wants no journal."""
    base = shutil.copy(demo_base, tmp_path / "old.img")
    old = Superblock.read(base, DATA.start)
    features = "none,ext_attr,dir_index,filetype,extent,sparse_super,large_file,uninit_bg,resize_inode"
    mke2fs = [find_program("mke2fs"), "-q", "-F", "-t", "ext4", "-b", "1024", "-O", features]
    identity = ["-L", old.label, "-U", str(uuid.UUID(bytes=old.uuid)), "-E", f"offset={DATA.start}"]
    subprocess.run([*mke2fs, *identity, str(base), f"{old.size // 1024}k"], check=True)
    recipe["base"]["source"] = str(base)
    report = Recorder()
    make(recipe, report=report)
    image = unpack(tmp_path / "out")
    check_ext4(image, DATA.start)
    new = Superblock.read(image, DATA.start)
    assert (new.label, new.uuid) == (old.label, old.uuid)
    assert new.features & CHOSEN == {"dir_index", "uninit_bg"}
    assert [line for line in report.lines if "resize_inode" in line] == [
        "the new data partition is made without the base image's resize_inode"
    ]
    with Ext4(image, DATA.start) as fs:
        assert fs.read("/zims/one.zim") == ZIM


def test_a_file_replaces_one_name_alone(make, recipe, furnished, tmp_path):
    recipe["base"]["source"] = str(furnished)
    recipe["files"].append({"to": "/data/again/notes", "content": "new"})
    make(recipe)
    with Ext4(unpack(tmp_path / "out"), DATA.start) as fs:
        assert (fs.read("/again/notes"), fs.read("/home/notes")) == (b"new", NOTES)
        assert fs.find("/home/notes").links == 1


@pytest.mark.skipif(not shutil.which("sgdisk", path=SBIN), reason="needs sgdisk (package gdisk)")
def test_a_base_with_a_gpt(make, recipe, furnished, tmp_path):
    sgdisk = shutil.which("sgdisk", path=SBIN)
    with furnished.open("r+b") as file:
        file.truncate(furnished.stat().st_size + MIB)
    subprocess.run([sgdisk, "-g", furnished], check=True, capture_output=True)
    recipe["base"]["source"] = str(furnished)
    make(recipe)
    image = unpack(tmp_path / "out")
    told = subprocess.run([sgdisk, "-v", image], check=True, capture_output=True, text=True).stdout
    assert "No problems found" in told
    data = table.read(image)[-1]
    assert (data.number, data.start, image.stat().st_size) == (3, DATA.start, 128 * MIB)
    assert 126 * MIB < data.end < 128 * MIB
    assert_furnished(image, start=data.start)


def test_a_host_without_the_library_builds_the_same_files(
    make, recipe, furnished, tmp_path, report, monkeypatch
):
    recipe["base"]["source"] = str(furnished)
    libext2fs.lib.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(libext2fs, "NAME", "libnothing.so.9")
        made = make(recipe)
    libext2fs.lib.cache_clear()
    assert any("libnothing.so.9" in line and "slower" in line for line in report.lines)
    assert_furnished(unpack(tmp_path / "out"))
    report.lines.clear()
    assert make(recipe, out=tmp_path / "fast").image_size == made.image_size
    assert not any("slower" in line for line in report.lines)


@pytest.mark.parametrize("way", ["path", "uri"])
def test_content_of_this_host_is_proved_while_it_is_copied(make, recipe, tmp_path, way):
    place = tmp_path / "one.zim"
    place.write_bytes(ZIM)
    recipe["files"][0]["url"] = str(place) if way == "path" else place.as_uri()
    make(recipe)
    with Ext4(unpack(tmp_path / "out"), DATA.start) as fs:
        assert fs.read("/zims/one.zim") == ZIM
    place.write_bytes(ZIM[:-1] + b"?")
    with pytest.raises(JobError) as caught:
        make(recipe)
    assert caught.value.code == "checksum_mismatch"
    assert SHA in caught.value.message


def test_a_tar_brings_times_links_and_attributes(make, recipe, tmp_path):
    place = tmp_path / "a.tar"
    with tarfile.open(place, "w", format=tarfile.PAX_FORMAT) as tar:
        for number in range(30):
            info = tarfile.TarInfo(f"many/{number}")
            info.size = 3
            long = ("ä" * 1500).encode().decode("utf-8", "surrogateescape")
            info.pax_headers = {
                "mtime": "1600000000.987654321",
                "SCHILY.xattr.user.a": long,
                "SCHILY.xattr.security.capability": "rights",
            }
            tar.addfile(info, io.BytesIO(b"abc"))
        folder, hard = tarfile.TarInfo("many"), tarfile.TarInfo("hard")
        folder.type, folder.pax_headers = tarfile.DIRTYPE, {"SCHILY.xattr.user.b": "2"}
        folder.mode = 0o755
        hard.type, hard.linkname = tarfile.LNKTYPE, "many/7"
        tar.addfile(folder)
        tar.addfile(hard)
    recipe["output"]["size"] = "auto"
    recipe["files"] = [{"to": "/data/unpacked", "url": str(place), "via": "tar"}]
    make(recipe)
    image = unpack(tmp_path / "out")
    check_ext4(image, DATA.start)
    with Ext4(image, DATA.start) as fs:
        facts = fs.find("/unpacked/many/7")
        assert (facts.mtime, facts.nanoseconds, facts.links) == (1_600_000_000, 987_654_321, 2)
        assert fs.find("/unpacked/hard").number == facts.number
        assert fs.attributes(facts.number) == {"user.a": ("ä" * 1500).encode()}
        assert fs.attributes(fs.find("/unpacked/many").number) == {"user.b": b"2"}
