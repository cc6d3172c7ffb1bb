from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.unit.imaging.images import MIB, make_ext, partitioned, sparse
from workers.errors import JobError
from workers.imaging import bmap, container, manifest
from workers.imaging.allocation import mapped_ranges
from workers.imaging.bmap import Bmap
from workers.imaging.container.format import Opener
from workers.imaging.mbr import LINUX
from workers.imaging.ranges import GRID, Range, cut, total
from workers.imaging.source import open_source

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = manifest.public_hex(KEY)
SIZE = 40 * MIB + 512


def build(folder: Path, mark: bytes = b"needle") -> Path:
    """An image with an ext4, and the four files that a creator emits for it; the folder of all five."""
    folder.mkdir()
    image = partitioned(folder / "a.img", SIZE, (LINUX, 4 * MIB, 36 * MIB + 512))
    content = folder / "content"
    content.mkdir()
    (content / "file").write_bytes(mark * 700_000)
    make_ext(image, 4 * MIB, 36 * MIB, "-t", "ext4", "-d", str(content))
    facts = container.pack(image, folder / "a.img.zst")
    block_map = bmap.make(image, mapped_ranges(image))
    (folder / "a.img.bmap").write_bytes(bmap.dumps(block_map))
    sealed(folder, page(folder, facts, block_map))
    return folder


def page(folder: Path, facts: container.ContainerFacts, block_map: Bmap) -> manifest.Manifest:
    map_bytes = (folder / "a.img.bmap").read_bytes()
    return manifest.Manifest.model_validate(
        {
            "name": "a",
            "builder": "test",
            "recipe_sha256": "00" * 32,
            "image": {"size": SIZE, "sha256": facts.image_sha256, "mapped_bytes": block_map.mapped_bytes},
            "container": {
                "name": "a.img.zst",
                "size": facts.size,
                "sha256": facts.sha256,
                "root": facts.root,
            },
            "bmap": {
                "name": "a.img.bmap",
                "size": len(map_bytes),
                "sha256": hashlib.sha256(map_bytes).hexdigest(),
            },
            "contents": [],
            "signing_key": PUBLIC,
        }
    )


def sealed(folder: Path, paper: manifest.Manifest) -> None:
    data = manifest.dumps(paper)
    (folder / "a.manifest.json").write_bytes(data)
    (folder / "a.manifest.json.sig").write_bytes(manifest.sign(data, KEY))


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return build(tmp_path / "made")


def read_all(path: Path, **options: object) -> dict[int, bytes]:
    source = open_source(path, **options)
    try:
        return {each.offset: bytes(source.read(each)) for each in source.ranges}
    finally:
        source.close()


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(JobError) as error:
        act()
    return error.value.code


NAMES = ["a.img.zst", "a.img"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key", [PUBLIC, None])
def test_ranges_are_the_images_bytes(made: Path, name: str, key: str | None) -> None:
    plain = (made / "a.img").read_bytes()
    source = open_source(made / name, signing_key=key)
    assert source.image_size == SIZE
    assert source.signed is (key is not None)
    assert source.manifest is not None
    assert source.manifest.name == "a"
    assert [Range(each.offset, each.length) for each in source.ranges] == mapped_ranges(made / "a.img")
    assert all(each.sha256 for each in source.ranges)
    assert all(source.read(each) == plain[each.offset : each.end] for each in source.ranges)
    source.close()


@pytest.mark.parametrize("name", NAMES)
def test_without_papers_the_file_systems_tell_the_ranges(made: Path, name: str) -> None:
    expected = read_all(made / name)
    for paper in ("a.img.bmap", "a.manifest.json", "a.manifest.json.sig"):
        (made / paper).unlink()
    source = open_source(made / name)
    assert (source.manifest, source.signed) == (None, False)
    assert all(each.sha256 is None for each in source.ranges)
    source.close()
    assert read_all(made / name) == expected


def test_each_frame_is_decompressed_once(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []
    real = Opener.open
    monkeypatch.setattr(
        Opener, "open", lambda self, frame, data: opened.append(frame.number) or real(self, frame, data)
    )
    source = open_source(made / "a.img.zst", signing_key=PUBLIC)
    for each in source.ranges:
        source.read(each)
    source.close()
    assert opened == sorted({each.offset // GRID for each in source.ranges})


def test_a_range_across_frames_is_a_mistake_of_the_caller(made: Path) -> None:
    source = open_source(made / "a.img.zst")
    with pytest.raises(ValueError, match="one frame"):
        source.read(Range(GRID - 1, 2))
    source.close()


# The chain of trust


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("missing", ["a.manifest.json", "a.manifest.json.sig"])
def test_a_key_demands_manifest_and_signature(made: Path, name: str, missing: str) -> None:
    (made / missing).unlink()
    assert code_of(lambda: open_source(made / name, signing_key=PUBLIC)) == "manifest_missing"


def test_the_signature_must_be_of_the_trusted_key(made: Path) -> None:
    thief = manifest.public_hex(Ed25519PrivateKey.generate())
    assert code_of(lambda: open_source(made / "a.img.zst", signing_key=thief)) == "bad_signature"


@pytest.mark.parametrize("key", [PUBLIC, None])
@pytest.mark.parametrize(
    ("name", "swapped", "code"),
    [
        ("a.img.zst", "a.img.zst", "wrong_image"),
        ("a.img.zst", "a.img.bmap", "wrong_bmap"),
        ("a.img", "a.img.bmap", "wrong_bmap"),
    ],
)
def test_a_file_of_another_image_is_refused(
    made: Path, tmp_path: Path, key: str | None, name: str, swapped: str, code: str
) -> None:
    (build(tmp_path / "other", b"poison") / swapped).rename(made / swapped)
    assert code_of(lambda: open_source(made / name, signing_key=key)) == code


@pytest.mark.parametrize("key", [PUBLIC, None])
def test_all_files_of_another_image_need_its_signature(made: Path, tmp_path: Path, key: str | None) -> None:
    other = build(tmp_path / "other", b"poison")
    for name in ("a.img.zst", "a.img.bmap", "a.manifest.json"):
        (other / name).rename(made / name)
    if key:
        assert code_of(lambda: open_source(made / "a.img.zst", signing_key=key)) == "bad_signature"
    else:
        open_source(made / "a.img.zst").close()


def test_with_a_manifest_the_map_must_be_there(made: Path) -> None:
    (made / "a.img.bmap").unlink()
    assert code_of(lambda: open_source(made / "a.img.zst", signing_key=PUBLIC)) == "bmap_missing"
    assert code_of(lambda: open_source(made / "a.img")) == "bmap_missing"


@pytest.mark.parametrize("name", NAMES)
def test_sizes_must_agree(made: Path, name: str) -> None:
    (made / "a.manifest.json").unlink()
    block_map = bmap.load(made / "a.img.bmap")
    (made / "a.img.bmap").write_bytes(bmap.dumps(Bmap(SIZE + 4096, block_map.ranges)))
    assert code_of(lambda: open_source(made / name)) == "wrong_image"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key", [PUBLIC, None])
def test_a_flipped_bit_is_found_before_it_is_handed_out(made: Path, name: str, key: str | None) -> None:
    path = made / name
    data = bytearray(path.read_bytes())
    at = data.index(b"needle" * 100) + 50 if name == "a.img" else len(data) // 2
    data[at] ^= 0x10
    path.write_bytes(data)
    assert code_of(lambda: read_all(path, signing_key=key)) == "bad_image"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("length", [GRID, 4096])
def test_a_range_with_another_digest_is_refused(tmp_path: Path, name: str, length: int) -> None:
    image = sparse(tmp_path / "a.img", 2 * GRID, {GRID: b"x" * GRID})
    container.pack(image, tmp_path / "a.img.zst")
    wrong = Bmap(2 * GRID, (Range(GRID, length, "ab" * 32),))
    (tmp_path / "a.img.bmap").write_bytes(bmap.dumps(wrong))
    source = open_source(tmp_path / name)
    with pytest.raises(JobError, match=f"at byte {GRID}") as error:
        source.read(wrong.ranges[0])
    assert error.value.code == "bad_image"
    source.close()


def test_a_shrunk_image_is_found(made: Path) -> None:
    source = open_source(made / "a.img")
    os.truncate(made / "a.img", GRID)
    with pytest.raises(JobError, match="ends before byte"):
        source.read(source.ranges[-1])
    source.close()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("none.img.zst", "image_missing"),
        ("none.img", "image_missing"),
        ("a.iso", "not_an_image"),
        (".img", "not_an_image"),
    ],
)
def test_wrong_names_are_named(tmp_path: Path, name: str, code: str) -> None:
    with pytest.raises(JobError, match=name.replace(".", r"\.")) as error:
        open_source(tmp_path / name)
    assert error.value.code == code


def test_named_papers_that_are_missing_are_named(made: Path) -> None:
    for option in ("bmap", "manifest"):
        with pytest.raises(JobError, match="nowhere"):
            open_source(made / "a.img", **{option: made / "nowhere"})


# Foreign maps


def test_a_map_of_holes_is_completed_by_the_file_systems(made: Path) -> None:
    """A block in use that holds zeros must be written, whatever the map says."""
    for name in ("a.manifest.json", "a.manifest.json.sig"):
        (made / name).unlink()
    full = bmap.load(made / "a.img.bmap")
    thin = Bmap(SIZE, full.ranges[::3])
    (made / "a.img.bmap").write_bytes(bmap.dumps(thin))
    for name in NAMES:
        source = open_source(made / name)
        assert total(source.ranges) == full.mapped_bytes
        assert set(thin.ranges) <= set(source.ranges)
        source.close()


def test_long_ranges_of_a_foreign_map_are_cut_and_proved_first(tmp_path: Path) -> None:
    image = sparse(tmp_path / "b.img", 3 * GRID, {0: os.urandom(3 * GRID)})
    block_map = tmp_path / "theirs.bmap"
    block_map.write_bytes(bmap.dumps(bmap.make(image, [Range(0, 3 * GRID)])))
    source = open_source(image, bmap=block_map)
    assert source.ranges == list(cut([Range(0, 3 * GRID)]))
    source.close()
    with image.open("r+b") as file:
        file.seek(2 * GRID)
        file.write(b"other")
    assert code_of(lambda: open_source(image, bmap=block_map)) == "bad_image"
