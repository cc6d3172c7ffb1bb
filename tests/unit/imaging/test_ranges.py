from __future__ import annotations

import itertools
import random

import pytest

from workers.imaging.ranges import BLOCK, GRID, Range, cut, merge, round_out, subtract, tidy, total


def units(ranges: list[Range]) -> set[int]:
    return {at for each in ranges for at in range(each.offset, each.end)}


def some(rng: random.Random, count: int, limit: int) -> list[Range]:
    return [Range(rng.randrange(limit), rng.randrange(12)) for _ in range(count)]


def test_merge_joins_what_overlaps_or_touches_and_drops_empty_ones() -> None:
    ranges = [Range(20, 5), Range(0, 10), Range(10, 2), Range(21, 1), Range(50, 0)]
    assert merge(ranges) == [Range(0, 12), Range(20, 5)]


def test_merge_drops_digests() -> None:
    assert merge([Range(0, 1, "aa"), Range(1, 1, "bb")]) == [Range(0, 2)]


@pytest.mark.parametrize("seed", range(30))
def test_merge_and_subtract_agree_with_sets(seed: int) -> None:
    rng = random.Random(seed)
    left, right = some(rng, rng.randrange(12), 100), some(rng, rng.randrange(12), 100)
    merged, rest = merge(left), subtract(left, right)
    assert units(merged) == units(left)
    assert units(rest) == units(left) - units(right)
    for ranges in (merged, rest):
        assert all(before.end <= after.offset for before, after in itertools.pairwise(ranges))
        assert all(each.length > 0 for each in ranges)


def test_subtract_leaves_the_ends_and_the_middle() -> None:
    assert subtract([Range(0, 100)], [Range(0, 10), Range(40, 10), Range(95, 50)]) == [
        Range(10, 30),
        Range(50, 45),
    ]


def test_a_taken_range_reaches_into_several() -> None:
    assert subtract([Range(0, 10), Range(20, 10), Range(40, 10)], [Range(5, 40)]) == [
        Range(0, 5),
        Range(45, 5),
    ]


def test_round_out_ends_with_the_image() -> None:
    assert list(round_out([Range(1, 1), Range(9000, 10)], 9005)) == [Range(0, 4096), Range(8192, 813)]


def test_round_out_drops_what_is_behind_the_image() -> None:
    assert list(round_out([Range(3 * BLOCK, 10)], 2 * BLOCK)) == []


def test_cut_keeps_the_digest_of_what_fits() -> None:
    assert list(cut([Range(0, GRID, "aa")])) == [Range(0, GRID, "aa")]


def test_cut_splits_at_each_multiple_of_the_grid() -> None:
    assert list(cut([Range(GRID - 10, 2 * GRID, "aa")])) == [
        Range(GRID - 10, 10),
        Range(GRID, GRID),
        Range(2 * GRID, GRID - 10),
    ]


def test_tidy_gives_the_form_of_the_block_map() -> None:
    size = 3 * GRID + 100
    ranges = tidy([Range(GRID - 1, 2), Range(5, 5), Range(3 * GRID + 99, 1)], size)
    assert ranges == [
        Range(0, BLOCK),
        Range(GRID - BLOCK, BLOCK),
        Range(GRID, BLOCK),
        Range(3 * GRID, 100),
    ]
    assert total(ranges) == 3 * BLOCK + 100
