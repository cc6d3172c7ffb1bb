"""Any tree on a used card: written by its block map alone, both file systems are clean and whole."""

import hashlib
import os
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.doubles.cards import card_file
from tests.unit.imaging_fs.test_ext4_trees import FILE, FOLDER, mounted
from workers.creator.base import copy_sparse
from workers.creator.demo_base import BOOT, DATA, make_demo_base
from workers.imaging import bmap, table
from workers.imaging.allocation import mapped_ranges
from workers.imaging.ext4 import Ext4
from workers.imaging.ext4_fill import Ext4Fill
from workers.imaging.ext4_tools import Ext4Identity, check_ext4, find_program, make_ext4
from workers.imaging.fat import Fat
from workers.imaging.ranges import Range
from workers.imaging.source import open_source
from workers.report import Recorder
from workers.writer.burn import burn
from workers.writer.card import FileCard

NOW = 1_704_067_200
SIZE = DATA.start + (20 << 20)
NAMES = st.text(st.characters(categories=("Ll", "Lu", "Nd")), min_size=1, max_size=12)
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map(lambda names: "/f" + "/".join(names) + ".x"),
    st.sampled_from([0, 1, 4095, 4096, 70_000, 1_000_000]),
    max_size=8,
)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    path = tmp_path_factory.mktemp("base") / "base.img"
    make_demo_base(path)
    return path


def make_image(base, image, sizes, seed):
    """An image whose data and boot partitions hold files of these sizes; zeros and holes are among them."""
    rng, files, boot = random.Random(seed), {}, {}
    with image.open("wb") as file:
        file.truncate(SIZE)
    copy_sparse(base, image, DATA.start, Recorder())
    table.resize(image, 3, SIZE - DATA.start)
    identity = Ext4Identity("data", bytes(range(16)), bytes(range(16, 32)))
    make_ext4(image, DATA.start, SIZE - DATA.start, identity, now=NOW, inodes=1000)
    with Ext4Fill(image, DATA.start, now=NOW) as fs:
        for number, (path, size) in enumerate(sizes.items()):
            kind = number % 3
            files[path] = rng.randbytes(size) if kind == 0 else bytes(size)
            data = [Range(0, min(size, 4096))] if kind == 2 and size else None
            fs.create(path, size, FILE, folders=FOLDER, data=data).write(files[path])
    with Fat(image, BOOT.start, writable=True) as fat:
        for number, size in enumerate(sizes.values()):
            boot[f"/Long näme {number}.txt"] = rng.randbytes(min(size, 70_000))
            fat.write(f"/Long näme {number}.txt", boot[f"/Long näme {number}.txt"], now=NOW)
    return files, boot


def ours(image, papers, card):
    source = open_source(image, bmap=papers)
    try:
        opened = FileCard.open(str(card))
        try:
            burn(source, opened, Recorder())
        finally:
            opened.close()
    finally:
        source.close()


def bmaptools(image, papers, card):
    command = ["bmaptool", "-q", "copy", "--bmap", papers, image, card]
    subprocess.run(command, check=True, capture_output=True)


def debugfs(image, request):
    command = [find_program("debugfs"), "-R", request, f"{image}?offset={DATA.start}"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def check_fat(card, folder):
    if shutil.which("fsck.vfat", path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None:
        pytest.skip("needs fsck.vfat (package dosfstools)")
    part = folder / "boot"
    with card.open("rb") as file:
        file.seek(BOOT.start)
        part.write_bytes(file.read(BOOT.length))
    done = subprocess.run(["/usr/sbin/fsck.vfat", "-n", part], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "write",
    [
        ours,
        pytest.param(
            bmaptools,
            marks=pytest.mark.skipif(
                not shutil.which("bmaptool"), reason="needs bmaptool (package bmap-tools)"
            ),
        ),
    ],
)
def test_a_used_card_holds_any_tree(base, write):
    @settings(
        max_examples=2, deadline=None, derandomize=True, database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )  # fmt: skip
    @example({f"/many/{number}.x": number % 5000 for number in range(400)} | {"/z.x": 1_000_000})
    @given(TREES)
    def check(sizes):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            image, papers = folder / "a.img", folder / "a.img.bmap"
            files, boot = make_image(base, image, sizes, len(sizes))
            papers.write_bytes(bmap.dumps(bmap.make(image, mapped_ranges(image))))
            card = card_file(folder / "card", SIZE + (1 << 20))
            write(image, papers, card)
            check_ext4(card, DATA.start)
            check_fat(card, folder)
            with Ext4(card, DATA.start) as fs:
                assert {path: fs.read(path) for path in files} == files
            with Fat(card, BOOT.start) as fat:
                assert {path: fat.read(path) for path in boot} == boot
            for path in list(sizes)[-4:]:
                assert debugfs(card, f'cat "{path}"') == files[path]

    check()


@pytest.mark.loop
@pytest.mark.parametrize("seed", [1, 2])
def test_the_kernel_reads_any_tree_from_a_used_card(base, tmp_path, seed):
    rng, image, papers = random.Random(seed), tmp_path / "a.img", tmp_path / "a.img.bmap"
    sizes = {f"/{rng.randrange(5)}/{number} ü.x": rng.randrange(200_000) for number in range(40)}
    files, boot = make_image(base, image, sizes, seed)
    papers.write_bytes(bmap.dumps(bmap.make(image, mapped_ranges(image))))
    card = card_file(tmp_path / "card", SIZE)
    ours(image, papers, card)
    with mounted(card, tmp_path / "data", DATA.start) as root:
        found = {f"/{path.relative_to(root)}": path.read_bytes() for path in root.rglob("*.x")}
    assert found == files
    with Fat(card, BOOT.start) as fat:
        assert {path: fat.read(path) for path in boot} == boot


def test_a_file_beyond_4_gib(tmp_path):
    """Of holes, but for its ends and the bytes about the 4 GiB; the source is as sparse."""
    size, spots = (4 << 30) + 70_001, [0, (4 << 30) - 5000, (4 << 30) + 65_536]
    source, image, rng = tmp_path / "source", tmp_path / "img", random.Random(3)
    pieces = {at: rng.randbytes(min(9000, size - at)) for at in spots}
    with source.open("wb") as file:
        file.truncate(size)
        for at, piece in pieces.items():
            file.seek(at)
            file.write(piece)
    with image.open("xb") as file:
        file.truncate(64 << 20)
    make_ext4(image, 0, 64 << 20, Ext4Identity("data", bytes(16), bytes(16)), now=NOW)
    data = [Range(at // 4096 * 4096, min(16_384, size - at // 4096 * 4096)) for at in spots]
    told = []
    with Ext4Fill(image, 0, now=NOW) as fs, source.open("rb") as file:
        fs.create("/large", size, FILE, folders=FOLDER, data=data).copy_from(file.fileno(), tell=told.append)
    assert told[-1] == size
    check_ext4(image, 0)
    assert image.stat().st_blocks * 512 < 32 << 20
    with Ext4(image, 0) as fs:
        facts = fs.find("/large")
        assert facts.size == size
        assert fs.data_ranges(facts) == [Range(each.offset, -(-each.length // 4096) * 4096) for each in data]
        places = {first * 4096: place * 4096 for first, place, _ in fs._extents(facts.number)[0]}
    raw = image.read_bytes()
    with source.open("rb") as file:
        for each in data:
            file.seek(each.offset)
            wanted = file.read(each.length)
            at = places[each.offset]
            assert hashlib.sha256(raw[at : at + each.length]).digest() == hashlib.sha256(wanted).digest()
