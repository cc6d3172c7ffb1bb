"""Sizes in people's words: decimal, as cards are sold."""

from __future__ import annotations

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

STEP = 1000
MOST_DIGITS = 12  # of TB, down to the byte


def apart(one: int, other: int) -> tuple[str, str]:
    """Both in words, with as many digits as it takes to tell one from the other: `1.14 MB`, `1.06 MB`."""
    said = words(one), words(other)
    for digits in range(2, MOST_DIGITS + 1):
        if one == other or said[0] != said[1]:
            break
        said = words(one, digits), words(other, digits)
    return said


def words(count: float | None, digits: int = 1) -> str:
    """`7.8 GB` for 7 760 000 000 bytes, in the language and number format of the reader; nothing for None."""
    if count is None:
        return ""
    if round(abs(count)) < STEP:
        return ngettext("%(count)d byte", "%(count)d bytes", round(count)) % {"count": round(count)}
    size, last = count / STEP, _("%s TB")
    for unit in (_("%s kB"), _("%s MB"), _("%s GB")):
        if round(abs(size), digits) < STEP:
            return unit % number_format(round(size, digits), digits)
        size /= STEP
    return last % number_format(round(size, digits), digits)
