"""Sizes as people read them: decimal, rounded, in their language."""

from __future__ import annotations

import pytest
from django.utils import translation

from imager.sizes import apart, words


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (None, ""),
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_951, "1.0 MB"),  # never “1000.0 kB”
        (7_760_000_000, "7.8 GB"),
        (8_000_000_000, "8.0 GB"),
        (1_024_000_000_000, "1.0 TB"),
        (5e15, "5000.0 TB"),
        (-1500, "-1.5 kB"),
    ],
)
def test_english(count, said):
    with translation.override("en"):
        assert words(count) == said


def test_french():
    with translation.override("fr"):
        assert words(7_760_000_000) == "7,8 Go"
        assert words(2) == "2 octets"


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (3_100_000, 1_048_576, ("3.1 MB", "1.0 MB")),
        (1_048_577, 1_048_576, ("1.048577 MB", "1.048576 MB")),
        (1_140_000, 1_060_000, ("1.14 MB", "1.06 MB")),
        (1_000_000, 999_999, ("1.000 MB", "999.999 kB")),
        (7_760_000_001, 7_760_000_000, ("7.760000001 GB", "7.760000000 GB")),
        (4_000_000_000_001, 4_000_000_000_000, ("4.000000000001 TB", "4.000000000000 TB")),
        (8, 7, ("8 bytes", "7 bytes")),
        (1000, 999, ("1.0 kB", "999 bytes")),
        (5000, 5000, ("5.0 kB", "5.0 kB")),
    ],
)
def test_two_that_are_compared_are_told_apart(one, other, said):
    with translation.override("en"):
        assert apart(one, other) == said
