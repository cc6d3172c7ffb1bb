from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles.cards import MIB, MemorySource, assert_holds, bytes_at, card_file, image
from workers.errors import CardError, WorkError
from workers.imaging.ranges import GRID, Range, tidy
from workers.report import Recorder
from workers.writer import stamps
from workers.writer.burn import burn
from workers.writer.card import FileCard, aligned
from workers.writer.conditions import Conditions
from workers.writer.faulty import FaultyCard, Spot
from workers.writer.plan import BLANKED, make_plan
from workers.writer.stamps import STAMP, Stamps, left_on, recognized
from workers.writer.transfer import settle
from workers.writer.verdicts import BadBlocks, digest_of_digests


@pytest.fixture
def source() -> MemorySource:
    return image(12 * MIB, [(0, MIB), (6 * MIB, 2 * MIB)])


def chosen(spans: list[tuple[int, int]], card: int, count: int = 64) -> Stamps:
    ranges = tidy([Range(*span) for span in spans], card)
    plan = make_plan(ranges, image_size=card, card_size=card, block=512)
    number = os.urandom(16)
    return stamps.choose(plan, card_size=card, image=stamps.UNKNOWN_IMAGE, count=count, number=number)


spans = st.lists(st.tuples(st.integers(0, 60 * MIB), st.integers(1, 9 * MIB)), max_size=12)


@given(spans=spans, count=st.integers(0, 64), card=st.integers(1, 64 * MIB // 512).map(lambda n: n * 512))
def test_stamps_lie_in_space_that_nothing_else_uses(
    spans: list[tuple[int, int]], count: int, card: int
) -> None:
    ranges = tidy([Range(*span) for span in spans], card)
    plan = make_plan(ranges, image_size=card, card_size=card, block=512)
    found = stamps.choose(plan, card_size=card, image=stamps.UNKNOWN_IMAGE, count=count, number=bytes(16))
    assert len(found.places) <= count
    assert list(found.places) == sorted(set(found.places))
    for place in found.places:
        assert place % STAMP == 0
        assert BLANKED <= place <= card - BLANKED - STAMP
        assert not any(p.offset < place + STAMP and place < p.end for p in plan.mapped)


def test_they_are_spread_and_differ_from_card_to_card() -> None:
    first, second = chosen([], 1024 * MIB), chosen([], 1024 * MIB)
    assert len(first.places) == 64
    assert first.number != second.number
    assert first.places != second.places
    for start in range(GRID, 1020 * MIB, 64 * MIB):
        assert any(start <= place < start + 64 * MIB for place in first.places)
    place = first.places[0]
    assert first.block(place) != second.block(place)
    assert len(first.block(place)) == STAMP


def test_a_full_card_has_none_and_is_written_all_the_same(
    path: Path, card: FileCard, report: Recorder
) -> None:
    source = image(32 * MIB)
    assert burn(source, card, report).stamps == 0
    assert_holds(path, source)


def test_a_written_card_is_recognized_by_all_its_stamps(
    card: FileCard, source: MemorySource, report: Recorder
) -> None:
    assert recognized(card) is None
    assert left_on(card) == ""
    result = burn(source, card, report)
    found = recognized(card)
    assert found is not None
    assert result.stamps == len(found.places)
    assert 62 <= result.stamps <= 64  # one that is drawn may lie where one always lies
    assert left_on(card) == found.number.hex()
    assert found.image == digest_of_digests(each.sha256 or "" for each in source.ranges)
    card.write(aligned(STAMP), found.places[40])
    assert recognized(card) is None, "one is gone, so this card has been used meanwhile"


def test_a_stamp_that_was_copied_elsewhere_is_none(
    card: FileCard, source: MemorySource, report: Recorder
) -> None:
    burn(source, card, report)
    found = recognized(card)
    assert found
    known = [each for each in stamps._known_places(card.size()) if each in found.places]
    buffer = aligned(STAMP)
    buffer[:] = found.block(found.places[-1])
    for place in known:
        card.write(buffer, place)
    assert recognized(card) is None


def test_space_that_vanishes_after_the_start_is_a_forgery(
    card: FileCard, source: MemorySource, report: Recorder
) -> None:
    """Its first and last block are there, and what is mapped: only stamps can tell."""

    class Limbo(FaultyCard):
        def write(self, data: memoryview, offset: int) -> int:
            if 14 * MIB <= offset < 27 * MIB:
                return len(data)
            return super().write(data, offset)

    with pytest.raises(WorkError) as caught:
        burn(source, Limbo(card), report)
    assert isinstance(caught.value, CardError)
    assert caught.value.code == "fake_capacity"
    assert bytes_at(Path(card.name), 0, GRID) == bytes(GRID), "nothing bootable is left"


def test_a_single_bad_block_in_free_space_is_named(
    tmp_path: Path, source: MemorySource, report: Recorder
) -> None:
    known = stamps._known_places(32 * MIB)[-1]
    with (
        FileCard.open(str(card_file(tmp_path / "one", 32 * MIB))) as card,
        pytest.raises(BadBlocks) as caught,
    ):
        burn(source, FaultyCard(card, flips=[Spot(known + 77)]), report)
    assert [each.offset for each in caught.value.ranges] == [known]


def test_no_stamps_where_none_are_wanted(path: Path, card: FileCard, source: MemorySource) -> None:
    burn(source, card, Recorder(), Conditions(stamps=0))
    assert b"IMGRSTMP" not in path.read_bytes()


def test_stamps_survive_a_flush(card: FileCard) -> None:
    mine = chosen([(0, MIB)], card.size())
    mine.write(card)
    settle(card)
    assert mine.lost(card) == []
    assert recognized(card) == mine


@pytest.mark.parametrize(
    "crafted",
    [(32 * MIB,), (2**63,), (32 * MIB - 512,), (17,), (4096, 4096), (8192, 4096)],
)
@pytest.mark.parametrize("lists_itself", [True, False])
def test_places_that_no_writer_chose_are_not_believed(
    card: FileCard, source: MemorySource, report: Recorder, crafted: tuple[int, ...], lists_itself: bool
) -> None:
    place = stamps._known_places(card.size())[0]
    places = (*crafted, place) if min(crafted) < place else (place, *crafted)
    forged = Stamps(bytes(16), stamps.UNKNOWN_IMAGE, places if lists_itself else crafted)
    buffer = aligned(STAMP)
    buffer[:] = forged.block(place)
    card.write(buffer, place)
    assert recognized(card) is None
    assert left_on(card) == ""
    burn(source, card, report)
    assert_holds(Path(card.name), source)


def test_a_stamp_that_tells_of_none_is_not_recognized(card: FileCard) -> None:
    place = stamps._known_places(card.size())[0]
    buffer = aligned(STAMP)
    buffer[:] = Stamps(bytes(16), stamps.UNKNOWN_IMAGE, ()).block(place)
    card.write(buffer, place)
    assert recognized(card) is None
