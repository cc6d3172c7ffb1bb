from __future__ import annotations

import hashlib
import random
import re
from pathlib import Path

import pytest

from tests.unit.imaging.images import run, sparse
from workers.errors import JobError
from workers.imaging import bmap
from workers.imaging.bmap import Bmap
from workers.imaging.ranges import GRID, Range, tidy

SIZE = GRID + 5000
SPANS = tidy([Range(0, 4096), Range(GRID - 1, 2), Range(SIZE - 1, 1)], SIZE)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return sparse(tmp_path / "a.img", SIZE, {0: b"first", GRID - 1: b"ab", SIZE - 2: b"zz"})


@pytest.fixture
def text(image: Path) -> bytes:
    return bmap.dumps(bmap.make(image, SPANS))


def resealed(text: bytes, old: str, new: str) -> bytes:
    """The map with something replaced and its checksum made to fit again."""
    assert old.encode() in text
    blank = re.sub(
        rb"[0-9a-f]{64}(?=</BmapFileChecksum>)", b"0" * 64, text.replace(old.encode(), new.encode(), 1)
    )
    return blank.replace(b"0" * 64, hashlib.sha256(blank).hexdigest().encode(), 1)


def test_make_hashes_what_the_image_holds(image: Path) -> None:
    made = bmap.make(image, SPANS)
    plain = image.read_bytes()
    assert made.image_size == SIZE
    assert [Range(each.offset, each.length) for each in made.ranges] == SPANS
    assert all(
        each.sha256 == hashlib.sha256(plain[each.offset : each.end]).hexdigest() for each in made.ranges
    )
    assert made.mapped_bytes == 4096 * 3 + SIZE - (SIZE - 1) // 4096 * 4096


def test_a_map_reads_back_and_repeats_exactly(image: Path, text: bytes) -> None:
    assert bmap.loads(text) == bmap.make(image, SPANS)
    assert bmap.dumps(bmap.loads(text)) == text


@pytest.mark.parametrize("seed", range(5))
def test_any_tidy_ranges_read_back(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    size = rng.randrange(1, 3 * GRID)
    image = sparse(tmp_path / "a.img", size, {rng.randrange(size): b"?"})
    spans = tidy(
        [Range(rng.randrange(size), rng.randrange(1, 99_999)) for _ in range(rng.randrange(20))], size
    )
    made = bmap.make(image, spans)
    assert bmap.loads(bmap.dumps(made)) == made


def test_a_map_of_nothing_reads_back() -> None:
    assert bmap.loads(bmap.dumps(Bmap(4096, ()))) == Bmap(4096, ())


def test_ranges_without_digests_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="digest"):
        bmap.dumps(Bmap(4096, (Range(0, 4096),)))


def test_an_image_shorter_than_its_ranges_is_refused(image: Path) -> None:
    with pytest.raises(JobError, match=f"ends at byte {SIZE}"):
        bmap.make(image, [Range(SIZE - 1, 2)])


def test_every_byte_is_guarded(text: bytes) -> None:
    for at in range(len(text)):
        with pytest.raises(JobError) as error:
            bmap.loads(text[:at] + bytes([text[at] ^ 2]) + text[at + 1 :])
        assert error.value.code == "bad_bmap"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('version="2.0"', 'version="1.3"'),
        (">sha256<", ">sha1<"),
        ("<BlockSize>4096<", "<BlockSize>512<"),
        ("<BlockSize>4096<", "<BlockSize>lots<"),
        ("<BlocksCount>1026<", "<BlocksCount>1027<"),
        ("<MappedBlocksCount>4<", "<MappedBlocksCount>5<"),
        (f"<ImageSize>{SIZE}<", f"<ImageSize>{SIZE - 4096}<"),
        (f"<ImageSize>{SIZE}<", f"<ImageSize>-{SIZE}<"),
        ("> 0 <", "> 1024 <"),
        ("> 0 <", "> 9-3 <"),
        ("> 0 <", "> -3 <"),
        ("> 0 <", "> 99999 <"),
        ("> 0 <", "> ٣ <"),
        ("> 0 <", ">  <"),
        ('<Range chksum="', '<Range chksum="xx'),
        ("<Range chksum=", "<Range sum="),
        ("</bmap>", "</bmap>x"),
        ("</BlockMap>", ""),
    ],
)
def test_wrong_numbers_are_refused_even_when_sealed(text: bytes, old: str, new: str) -> None:
    with pytest.raises(JobError) as error:
        bmap.loads(resealed(text, old, new))
    assert error.value.code == "bad_bmap"


def test_entities_are_refused(text: bytes) -> None:
    bomb = '<!DOCTYPE bmap [<!ENTITY a "aaaaaaaa">]><bmap version="2.0">'
    with pytest.raises(JobError, match="entities"):
        bmap.loads(resealed(text, '<bmap version="2.0">', bomb))


@pytest.mark.parametrize("data", [b"", b"<bmap/>", b"\x00" * 99, b"<html>404</html>"])
def test_what_is_no_map_is_refused(data: bytes) -> None:
    with pytest.raises(JobError) as error:
        bmap.loads(data)
    assert error.value.code == "bad_bmap"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"none\.bmap") as error:
        bmap.load(tmp_path / "none.bmap")
    assert error.value.code == "bmap_missing"


def test_bmaptools_own_map_is_read(image: Path) -> None:
    out = image.with_name("theirs.bmap")
    run("bmaptool", "-q", "create", "-o", out, image)
    theirs = bmap.load(out)
    assert theirs.image_size == SIZE
    assert bmap.make(image, theirs.ranges) == theirs
