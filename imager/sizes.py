"""Sizes in people's words: decimal, as cards are sold."""

from __future__ import annotations

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

STEP = 1000


def words(count: float | None) -> str:
    """`7.8 GB` for 7 760 000 000 bytes, in the language and number format of the reader; nothing for None."""
    if count is None:
        return ""
    if round(abs(count)) < STEP:
        return ngettext("%(count)d byte", "%(count)d bytes", round(count)) % {"count": round(count)}
    size, last = count / STEP, _("%s TB")
    for unit in (_("%s kB"), _("%s MB"), _("%s GB")):
        if round(abs(size), 1) < STEP:
            return unit % number_format(round(size, 1), 1)
        size /= STEP
    return last % number_format(round(size, 1), 1)
