from __future__ import annotations

import pytest

from workers.imaging.sizes import exact, readable


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (4096, "4.1 kB"),
        (999_600, "1 MB"),
        (7_948_206_080, "7.95 GB"),
        (99_960_000, "100 MB"),
        (512_000_000_000, "512 GB"),
        (5_000_000_000_000_000, "5000 TB"),
        (20_123_456.7, "20.1 MB"),
    ],
)
def test_readable(size: float, words: str) -> None:
    assert readable(size) == words


def test_exact_has_both() -> None:
    assert exact(7_948_206_080) == "7.95 GB (7948206080 bytes)"
    assert exact(12) == "12 bytes"
