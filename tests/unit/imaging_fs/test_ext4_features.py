"""What a new file system has: the same on every machine, and what the base's system can mount."""

import os
import random

import pytest

from workers.imaging import ext4_tools
from workers.imaging.ext4 import Ext4, Superblock
from workers.imaging.ext4_fill import Ext4Fill, Owner
from workers.imaging.ext4_tools import CHOSEN, USUAL, Ext4Identity, check_ext4, find_program, make_ext4

NOW = 1_704_067_200
OFFSET = 3 << 20
SIZE = 300 << 20  # several groups, some of them with copies of the superblock
IDENTITY = Ext4Identity("data", bytes(range(16)), bytes(range(16, 32)))
FILE, FOLDER = Owner(NOW), Owner(NOW, mode=0o755)


def made(path, **options):
    with path.open("xb") as file:
        file.truncate(OFFSET + SIZE)
    make_ext4(path, OFFSET, SIZE, IDENTITY, now=NOW, **options)
    return path


@pytest.fixture
def arm(tmp_path, monkeypatch):
    """A mke2fs that writes down what the one of an ARM machine does: names are hashed unsigned."""
    real, debugfs = find_program("mke2fs"), find_program("debugfs")
    folder = tmp_path / "arm"
    folder.mkdir()
    script = folder / "mke2fs"
    script.write_text(
        f'#!/bin/sh -e\n{real} "$@"\nfor name; do case $name in ./img*) image=$name;; esac; done\n'
        f'{debugfs} -w -R "ssv flags 2" "$image?offset={OFFSET}" 2> /dev/null\n'
    )
    script.chmod(0o755)

    def switch():
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    return switch


@pytest.mark.parametrize("features", [USUAL, USUAL - {"metadata_csum"}])
def test_x86_and_arm_make_the_same_bytes(tmp_path, arm, features, monkeypatch):
    here = made(tmp_path / "img1", features=features)
    arm()
    with monkeypatch.context() as without:
        without.setattr(ext4_tools, "sign_hashes", lambda *_: None)
        there = made(tmp_path / "img2", features=features)
    assert Superblock.read(there, OFFSET).unsigned_hash
    assert there.read_bytes() != here.read_bytes()
    again = made(tmp_path / "img3", features=features)
    assert not Superblock.read(again, OFFSET).unsigned_hash
    assert again.read_bytes() == here.read_bytes()
    check_ext4(again, OFFSET)


@pytest.mark.parametrize(
    "features",
    [
        frozenset(),
        USUAL - {"64bit"},
        USUAL - {"metadata_csum"},
        USUAL - {"metadata_csum"} | {"uninit_bg"},
        USUAL - {"has_journal", "dir_index"},
        USUAL - {"flex_bg"},
        USUAL | {"metadata_csum_seed", "large_dir"},
    ],
    ids=lambda features: ",".join(sorted(features ^ USUAL)) or "usual",
)
def test_features_are_kept_and_can_be_filled(tmp_path, features):
    image, data = made(tmp_path / "img", features=features, inodes=3000), random.Random(1).randbytes(300_000)
    assert Superblock.read(image, OFFSET).features & CHOSEN == features
    with Ext4Fill(image, OFFSET, now=NOW) as fs:
        for number in range(1000):
            fs.create(f"/many/{number:05}", 3, FILE, folders=FOLDER).write(b"one")
        fs.create("/large", len(data), FILE, folders=FOLDER).write(data)
        fs.attribute("/large", {"user.a": b"b" * 500})
    check_ext4(image, OFFSET)
    with Ext4(image, OFFSET) as fs:
        assert fs.read("/large") == data
        assert len(fs.entries(fs.find("/many").number)) == 1000


def test_other_features_do_not_come_along(tmp_path):
    """Such as say where mke2fs put things, and such as we cannot fill."""
    image = made(tmp_path / "img", features=USUAL | {"resize_inode", "bigalloc", "inline_data", "quota"})
    plain = made(tmp_path / "plain")
    assert image.read_bytes() == plain.read_bytes()
