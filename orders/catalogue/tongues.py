"""Names of languages, in the reader's language."""

from __future__ import annotations

from functools import cache

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from django.utils.translation import get_language, to_locale


def tongue(code: str) -> str:
    """`French` for `fra` or `fr`; the code itself where it has no name."""
    return _names(to_locale(get_language() or "en")).get(short(code), code)


def short(code: str) -> str:
    """`fr` for `fra`: the shorter code of ISO 639, if there is one."""
    return str(get_global("language_aliases").get(code, code))


@cache
def _names(locale: str) -> dict[str, str]:
    try:
        names = dict(Locale.parse(locale).languages)
    except (UnknownLocaleError, ValueError):
        names = dict(Locale.parse("en").languages)
    return {code: name[:1].upper() + name[1:] for code, name in names.items()}
