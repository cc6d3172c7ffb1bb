"""Sizes as people read them: decimal, rounded, in their language."""

from __future__ import annotations

import pytest
from django.utils import translation

from imager.sizes import words


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
