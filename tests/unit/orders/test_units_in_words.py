"""Numbers of units, as pages say them."""

from __future__ import annotations

import pytest
from django.utils import translation

from orders.templatetags.units import in_units


@pytest.mark.parametrize(
    ("language", "number", "words"),
    [
        ("en", 1, "1 unit"),
        ("en", 0, "0 units"),
        ("en", 12_400, "12,400 units"),
        ("fr", 1, "1 unité"),
        ("fr", 0, "0 unité"),
        ("fr", 12_400, "12\N{NO-BREAK SPACE}400 unités"),
        ("fr", -1_000, "-1\N{NO-BREAK SPACE}000 unités"),
    ],
)
def test_units_are_grouped_and_counted_as_the_language_has_it(language, number, words):
    with translation.override(language):
        assert in_units(number) == words
