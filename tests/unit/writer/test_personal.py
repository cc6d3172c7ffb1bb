from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.doubles.cards import MIB, MemorySource, image
from workers.contract import CARD_FILE_BYTES, fill_in
from workers.errors import JobError
from workers.imaging.bmap import Bmap
from workers.imaging.manifest import Manifest, PerCard, dumps, loads
from workers.imaging.per_card import Change, changes_of, check_content
from workers.imaging.ranges import Range
from workers.imaging.source import Papers
from workers.report import Recorder
from workers.writer.burn import burn
from workers.writer.card import FileCard
from workers.writer.charts import chart_of
from workers.writer.personal import PersonalSource, facts_of, personal

AT = 5 * MIB + 512
DIGEST = "0" * 64
PAGE = Manifest.model_validate(
    {
        "name": "a",
        "builder": "b",
        "recipe_sha256": DIGEST,
        "image": {"size": 1, "sha256": DIGEST, "mapped_bytes": 1},
        "container": {"name": "a", "size": 1, "sha256": DIGEST, "root": DIGEST},
        "bmap": {"name": "a", "size": 1, "sha256": DIGEST},
        "contents": [],
        "signing_key": DIGEST,
    }
)


@pytest.fixture
def source() -> MemorySource:
    return image(9 * MIB, [(0, MIB), (5 * MIB, 2 * MIB)])


def patched(source: MemorySource, *changes: Change) -> bytes:
    data = bytearray(source.data)
    for change in changes:
        data[change.offset : change.end] = change.data
    return bytes(data)


def test_only_the_changed_bytes_are_others(source: MemorySource) -> None:
    changes = [Change(AT, b"serial"), Change(AT + 100, b"x"), Change(64, b"\x06\0\0\0")]
    own, whole = PersonalSource(source, changes), patched(source, *changes)
    for mine, theirs in zip(own.ranges, source.ranges, strict=True):
        assert (mine.offset, mine.length) == (theirs.offset, theirs.length)
        data = bytes(own.read(mine))
        assert data == whole[mine.offset : mine.end]
        assert mine.sha256 == hashlib.sha256(data).hexdigest()
        buffer = memoryview(bytearray(mine.length))
        own.read_into(mine, buffer)
        assert bytes(buffer) == data
    assert [each.offset for each in own.changed] == [5 * MIB, 0]
    assert own.image_size == source.image_size
    assert source.data == image(9 * MIB, [(0, MIB), (5 * MIB, 2 * MIB)]).data


@pytest.mark.parametrize("at", [2 * MIB, MIB - 3, 9 * MIB])
def test_a_change_where_the_image_has_nothing_is_refused(source: MemorySource, at: int) -> None:
    with pytest.raises(JobError) as caught:
        PersonalSource(source, [Change(at, b"serial")])
    assert caught.value.code == "bad_manifest"


@pytest.mark.parametrize(
    ("at", "code"), [(2 * MIB, "bad_manifest"), (MIB - 3, "bad_manifest"), (5 * MIB, "no_digests")]
)
def test_without_the_image_too_no_card_is_good_whose_own_files_have_no_place(
    card: FileCard, at: int, code: str
) -> None:
    """Those of the map that holds them cannot be told from the image's."""
    chart = Bmap(9 * MIB, (Range(0, MIB, DIGEST), Range(3 * MIB, 4 * MIB, DIGEST)))
    asks = PAGE.model_copy(update={"per_card": (PerCard(to="a", content="{serial}", at=at, size_at=92),)})
    with pytest.raises(JobError) as caught:
        chart_of(Papers(chart, asks, signed=True), card, "1-01-1-2", Recorder())
    assert caught.value.code == code


def test_it_is_burned_as_any_image(source: MemorySource, path: Path, card: FileCard) -> None:
    changes = [Change(AT, b"serial")]
    burn(PersonalSource(source, changes), card, Recorder())
    assert path.read_bytes()[5 * MIB : 7 * MIB] == patched(source, *changes)[5 * MIB : 7 * MIB]


def test_what_needs_nothing_stays_itself(source: MemorySource) -> None:
    assert personal(source, "1-01-1-2") is source
    assert facts_of(source, "1-01-1-2") is None


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{serial}\n", "7-02-1-X\n"),
        ("hotspot-{suffix}", "hotspot-7-02"),
        ('{"card": "{serial}", "no": {}}', '{"card": "7-02-1-X", "no": {}}'),
    ],
)
def test_contents(content: str, told: str) -> None:
    assert check_content(content) == content
    assert fill_in(content, "7-02-1-X") == told
    data, size = changes_of(content, "7-02-1-X", at=1024, size_at=92)
    assert (data.offset, data.data) == (1024, told.encode().ljust(CARD_FILE_BYTES, b"\0"))
    assert (size.offset, size.data) == (92, len(told).to_bytes(4, "little"))


@pytest.mark.parametrize("content", ["the same", "", "{serial}" * 13, "{serial}" + "x" * 473])
def test_contents_that_are_refused(content: str) -> None:
    with pytest.raises(ValueError, match=r"same on all cards|beyond 512"):
        check_content(content)


def test_a_content_of_a_manifest_that_is_too_long_is_named() -> None:
    with pytest.raises(JobError) as caught:
        changes_of("x" * 513, "1", at=0, size_at=0)
    assert caught.value.code == "bad_manifest"


def test_manifests_without_such_files_are_as_they_were() -> None:
    assert b"per_card" not in dumps(PAGE)
    assert loads(dumps(PAGE)) == PAGE
    asked = PAGE.model_copy(update={"per_card": (PerCard(to="a", content="{serial}", at=512, size_at=92),)})
    assert loads(dumps(asked)) == asked


def test_ranges_are_found_by_their_bounds() -> None:
    source = image(2 * MIB, [(0, 4096), (8192, 4096)])
    own = PersonalSource(source, [Change(4092, b"abcd"), Change(8192, b"efgh")])
    assert [(each.offset, each.length) for each in own.changed] == [(0, 4096), (8192, 4096)]
    assert isinstance(own.changed[0], Range)
