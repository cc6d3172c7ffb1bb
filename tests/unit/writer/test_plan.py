from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.errors import JobError
from workers.imaging.ranges import GRID, Range, merge, tidy, total
from workers.writer.plan import BLANKED, SMALL_GAP, Plan, make_plan

MIB = 1024 * 1024


def plan(
    spans: list[tuple[int, int]], *, image: int = 64 * MIB, card: int = 64 * MIB, block: int = 512
) -> Plan:
    return make_plan(
        tidy([Range(*span) for span in spans], image), image_size=image, card_size=card, block=block
    )


def test_the_first_cell_is_apart_and_the_rest_ascends() -> None:
    found = plan([(0, 4096), (MIB, 4096), (GRID, 4096), (9 * MIB, 4096)])
    assert [piece.offset for piece in found.head] == [0, MIB]
    assert [piece.offset for piece in found.body] == [GRID, 9 * MIB]
    assert found.mapped == found.head + found.body


def test_a_range_across_the_first_cell_is_cut_there() -> None:
    found = plan([(GRID - 4096, 8192)])
    assert [(piece.offset, piece.length) for piece in found.head] == [(GRID - 4096, 4096)]
    assert [(piece.offset, piece.length) for piece in found.body] == [(GRID, 4096)]


@pytest.mark.parametrize(("gap", "pieces"), [(4096, 1), (SMALL_GAP, 1), (SMALL_GAP + 4096, 2), (MIB, 2)])
def test_only_small_gaps_are_bridged(gap: int, pieces: int) -> None:
    start = 8 * MIB
    found = plan([(start, 4096), (start + 4096 + gap, 4096)])
    assert len(found.body) == pieces
    assert sum(len(piece.ranges) for piece in found.body) == 2


def test_gaps_across_cells_are_never_bridged() -> None:
    found = plan([(2 * GRID - 4096, 4096), (2 * GRID + 4096, 4096)])
    assert len(found.body) == 2


@pytest.mark.parametrize("block", [512, 4096])
@pytest.mark.parametrize("odd", [-512, -1, 0, 1, 512])
def test_the_tail_of_an_odd_image_is_padded_to_whole_blocks(odd: int, block: int) -> None:
    size = 9 * MIB + odd
    card = 10 * MIB
    found = plan([(0, size)], image=size, card=card, block=block)
    last = found.body[-1]
    assert last.ranges[-1].end == size
    assert last.end % block == 0
    assert 0 <= last.end - size < block


def test_an_image_as_large_as_the_card_ends_with_the_card() -> None:
    size = 9 * MIB + 512
    found = plan([(0, size)], image=size, card=size, block=512)
    assert found.body[-1].end == size
    assert found.zeros == ()


@pytest.mark.parametrize(
    ("card", "spans"),
    [
        (64 * MIB, [(0, BLANKED), (60 * MIB, BLANKED)]),
        (6 * MIB, [(0, BLANKED), (4 * MIB, 2 * MIB)]),
        (4 * MIB, [(0, 4 * MIB)]),
        (1 * MIB, [(0, 1 * MIB)]),
        (9 * MIB, [(0, BLANKED), (5 * MIB, 3 * MIB), (8 * MIB, MIB)]),
    ],
)
def test_head_and_tail_are_blanked(card: int, spans: list[tuple[int, int]]) -> None:
    found = plan([(0, 4096)], image=4096, card=card)
    assert [(each.offset, each.length) for each in found.blanked] == spans


def test_what_stays_blank_is_what_no_piece_covers() -> None:
    found = plan([(0, 4096), (62 * MIB, 4096)])
    assert all(piece.blank for piece in found.zeros)
    covered = merge([Range(piece.offset, piece.length) for piece in (*found.zeros, *found.mapped)])
    assert covered == [Range(0, BLANKED), Range(60 * MIB, BLANKED)]
    for piece in found.zeros:
        assert piece.ranges[0].sha256 == hashlib.sha256(bytes(piece.length)).hexdigest()


@pytest.mark.parametrize(
    "ranges",
    [
        [Range(100, 4096)],  # not on a block
        [Range(0, 100)],  # not whole blocks, and not the image's end
        [Range(0, 2 * GRID)],  # across cells
        [Range(GRID - 4096, 8192)],
        [Range(8192, 4096), Range(0, 4096)],  # not ascending
        [Range(0, 8192), Range(4096, 8192)],  # overlapping
        [Range(64 * MIB, 4096)],  # beyond the image
        [Range(4096, 0)],  # empty
    ],
)
def test_ranges_that_no_creator_makes_are_refused(ranges: list[Range]) -> None:
    with pytest.raises(JobError) as caught:
        make_plan(ranges, image_size=64 * MIB, card_size=64 * MIB, block=512)
    assert caught.value.code == "bad_ranges"
    assert str(ranges[-1].offset) in caught.value.message or str(ranges[0].offset) in caught.value.message


blocks = st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 3000)), max_size=30)


@given(spans=blocks, image=st.integers(1, 24 * MIB), spare=st.integers(0, 8 * MIB))
def test_pieces_cover_the_ranges_once_and_stay_on_the_card(
    spans: list[tuple[int, int]], image: int, spare: int
) -> None:
    card = -(-(image + spare) // 4096) * 4096
    ranges = tidy([Range(4096 * at, 4096 * count) for at, count in spans], image)
    found = make_plan(ranges, image_size=image, card_size=card, block=512)
    assert [each for piece in found.mapped for each in piece.ranges] == ranges
    everything = sorted((*found.mapped, *found.zeros), key=lambda piece: piece.offset)
    end = 0
    for piece in everything:
        assert piece.offset >= end
        assert 0 < piece.length <= GRID
        assert piece.offset // GRID == (piece.end - 1) // GRID
        assert piece.offset % 512 == piece.length % 512 == 0
        end = piece.end
    assert end <= card
    assert total(found.blanked) <= sum(piece.length for piece in everything)
