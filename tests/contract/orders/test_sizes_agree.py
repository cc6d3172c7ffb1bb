"""What the orders room accepts, the creator can build: its exact size never exceeds our estimate."""

from __future__ import annotations

import pytest

from orders.sizes import needed_bytes
from workers.imaging.ext4_sizes import Load, smallest_size

BASE = 40 * 1024 * 1024
GB = 10**9


@pytest.mark.parametrize(
    "sizes",
    [
        [],
        [1],
        [0] * 100,
        [1] * 1000,
        [4097] * 1000,
        [100_000_000],
        [7 * GB],
        [GB] * 14,
        [100 * GB, 15 * GB],
        [GB] * 450,
        [900 * GB, 50 * GB],
    ],
    ids=lambda sizes: f"{len(sizes)} files, {sum(sizes)} bytes",
)
def test_the_estimate_is_enough(sizes):
    files = [(f"/zims/some content of the catalogue {n}.zim", size) for n, size in enumerate(sizes)]

    assert BASE + smallest_size(Load.of(files)) <= needed_bytes(BASE, sizes)
