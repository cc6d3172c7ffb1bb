"""Speed and remaining time in words."""

from __future__ import annotations

import pytest
from django.utils import translation

from tasks_app.templatetags.pace import lasting, rate, remaining


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (-1, ""),
        (0, "less than a minute left"),
        (59.9, "less than a minute left"),
        (60, "about 1 minute left"),
        (89, "about 1 minute left"),
        (91, "about 2 minutes left"),
        (3569, "about 59 minutes left"),
        (3599, "about 1 h 00 min left"),
        (3600 * 35 + 60 * 7, "about 35 h 07 min left"),
    ],
)
def test_remaining(seconds, words):
    with translation.override("en"):
        assert remaining(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (-1, ""),
        (0, "Takes about 1 minute."),
        (91, "Takes about 2 minutes."),
        (3600, "Takes about 1 h 00 min."),
    ],
)
def test_lasting(seconds, words):
    with translation.override("en"):
        assert lasting(seconds) == words


@pytest.mark.parametrize(
    ("bytes_per_second", "words"),
    [(None, ""), (0, ""), (-5.0, ""), (1.0, "1 byte/s"), (512.0, "512 bytes/s"), (18.5e6, "18.5 MB/s")],
)
def test_rate(bytes_per_second, words):
    with translation.override("en"):
        assert rate(bytes_per_second).replace("\xa0", " ") == words


def test_french():
    with translation.override("fr"):
        assert remaining(120) == "environ 2 minutes restantes"
        assert rate(10**6).replace("\xa0", " ") == "1,0 Mo/s"
