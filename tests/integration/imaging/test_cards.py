"""Image files against the tools of others: what ends on a card that was not empty before."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.imaging.images import MIB, make_ext, partitioned, run, sparse, tool
from workers.imaging import bmap, container
from workers.imaging.allocation import mapped_ranges
from workers.imaging.mbr import LINUX
from workers.imaging.ranges import Range, merge, round_out
from workers.imaging.source import open_source
from workers.imaging.sparse import data_ranges

START, LENGTH = 4 * MIB, 60 * MIB
SIZE = START + LENGTH
STALE = b"\xaa"
ZEROS = bytes(3 * MIB)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image in which a file of zeros is in use and yet a hole, with container and map."""
    folder = tmp_path_factory.mktemp("image")
    content = folder / "content"
    content.mkdir()
    (content / "zeros").write_bytes(b"\x5a" * len(ZEROS))
    (content / "text").write_bytes(b"not only zeros " * 99_999)
    dense = partitioned(folder / "dense.img", SIZE, (LINUX, START, LENGTH))
    make_ext(dense, START, LENGTH, "-t", "ext4", "-b", "4096", "-d", str(content))
    plain = dense.read_bytes().replace(b"\x5a" * 4096, bytes(4096))
    pieces = {at: plain[at : at + 4096] for at in range(0, SIZE, 4096) if any(plain[at : at + 4096])}
    image = sparse(folder / "a.img", SIZE, pieces)
    container.pack(image, folder / "a.img.zst")
    (folder / "a.img.bmap").write_bytes(bmap.dumps(bmap.make(image, mapped_ranges(image))))
    return folder


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A card full of what was on it before."""
    path = tmp_path / "card"
    path.write_bytes(STALE * SIZE)
    return path


@pytest.fixture
def loop(card: Path) -> Iterator[Path]:
    """The same card as a block device."""
    if os.geteuid() != 0:
        pytest.skip("loop devices need root")
    done = subprocess.run(
        [tool("losetup"), "-f", "--show", card], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no loop device here: {done.stderr.strip()}")
    yield Path(done.stdout.strip())
    run("losetup", "-d", done.stdout.strip())


def write(card: Path, image: Path, ranges: list[Range] | None = None) -> None:
    """The plainest possible writer."""
    source = open_source(image)
    with card.open("r+b") as file:
        for each in ranges or source.ranges:
            file.seek(each.offset)
            file.write(source.read(each))
    source.close()


def content(card: Path, name: str) -> bytes:
    """A file of the card's file system."""
    command = [tool("debugfs"), "-R", f"cat /{name}", f"{card}?offset={START}"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def same_on(card: Path, image: Path) -> bool:
    with card.open("rb") as written, image.open("rb") as wanted:
        return all(
            os.pread(written.fileno(), each.length, each.offset)
            == os.pread(wanted.fileno(), each.length, each.offset)
            for each in mapped_ranges(image)
        )


def test_writing_only_what_is_no_hole_shows_the_old_card(folder: Path, card: Path) -> None:
    """The trap itself: without it the tests below would prove nothing."""
    image = folder / "a.img"
    with image.open("rb") as file:
        data = list(round_out(data_ranges(file.fileno(), SIZE), SIZE))
    write(card, image, data)
    assert STALE in content(card, "zeros")


@pytest.mark.parametrize("name", ["a.img.zst", "a.img"])
@pytest.mark.parametrize("papers", ["ours", "none", "of holes"])
def test_zeros_in_use_replace_the_old_card(
    folder: Path, tmp_path: Path, card: Path, name: str, papers: str
) -> None:
    image = tmp_path / name
    os.link(folder / name, image)
    if papers == "ours":
        os.link(folder / "a.img.bmap", tmp_path / "a.img.bmap")
    elif papers == "of holes":
        run("bmaptool", "-q", "create", "-o", tmp_path / "a.img.bmap", folder / "a.img")
    write(card, image)
    assert content(card, "zeros") == ZEROS
    assert content(card, "text") == (folder / "content" / "text").read_bytes()
    assert same_on(card, folder / "a.img")
    run("e2fsck", "-fn", f"{card}?offset={START}")


def test_what_is_free_is_not_written(folder: Path, card: Path) -> None:
    write(card, folder / "a.img.zst")
    plain = card.read_bytes()
    end = 0
    for each in merge(mapped_ranges(folder / "a.img")):
        assert plain[end : each.offset].count(STALE) == each.offset - end
        end = each.end
    assert plain[end:].count(STALE) == SIZE - end > MIB


@pytest.mark.parametrize("name", ["a.img.zst", "a.img"])
def test_bmaptool_copies_our_files(folder: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out.img"
    run("bmaptool", "copy", "--bmap", folder / "a.img.bmap", folder / name, out)
    assert same_on(out, folder / "a.img")


def test_bmaptool_refuses_our_damaged_files(folder: Path, tmp_path: Path) -> None:
    data = bytearray((folder / "a.img").read_bytes())
    data[data.index(b"not only zeros") + 5] ^= 1
    (tmp_path / "b.img").write_bytes(data)
    command = [
        tool("bmaptool"),
        "copy",
        "--bmap",
        folder / "a.img.bmap",
        tmp_path / "b.img",
        tmp_path / "out",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "checksum mismatch" in done.stderr


@pytest.mark.loop
@pytest.mark.parametrize("name", ["a.img.zst", "a.img"])
def test_bmaptool_leaves_nothing_stale_on_a_device(folder: Path, loop: Path, name: str) -> None:
    run("bmaptool", "copy", "--bmap", folder / "a.img.bmap", folder / name, loop)
    assert same_on(loop, folder / "a.img")
    assert content(loop, "zeros") == ZEROS


def test_zstd_restores_the_image_that_bmaptool_maps(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.img"
    run("zstd", "-q", "-d", folder / "a.img.zst", "-o", out)
    assert out.read_bytes() == (folder / "a.img").read_bytes()
    assert bmap.make(out, mapped_ranges(out)) == bmap.load(folder / "a.img.bmap")
