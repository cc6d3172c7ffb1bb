"""How large an image must be."""

from __future__ import annotations

import pytest

from orders.sizes import BLOCK, SPARE_BYTES, needed_bytes


@pytest.mark.parametrize(
    ("base", "contents", "plain"),
    [
        (0, [], 0),
        (1000, [], 1000),
        (0, [1], BLOCK),
        (0, [BLOCK], BLOCK),
        (0, [BLOCK + 1, 1], 3 * BLOCK),
        (10**9, [10**9, 0], 10**9 + -(-(10**9) // BLOCK) * BLOCK),
    ],
)
def test_files_take_whole_blocks_and_the_file_system_its_share(base, contents, plain):
    assert needed_bytes(base, contents) == plain + SPARE_BYTES + int(plain * 0.03)


def test_more_content_never_needs_less():
    sizes = [needed_bytes(0, [10**6] * count) for count in range(50)]

    assert sizes == sorted(sizes)


def test_an_eight_gigabyte_card_holds_seven_but_not_seven_and_a_half():
    assert needed_bytes(40 * 2**20, [7 * 10**9]) <= 7_760_000_000 < needed_bytes(40 * 2**20, [7_500_000_000])
