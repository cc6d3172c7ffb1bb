"""Where cards can be sent to: the codes of ISO 3166, and their names in the language of the page or mail."""

from __future__ import annotations

from typing import Final

from django_countries import countries as iso

CODES: Final = frozenset(code for code, _name in iso)


def names() -> dict[str, str]:
    """Code → name in the present language, by name."""
    return {country.code: str(country.name) for country in iso}


def name_of(code: str) -> str:
    """The country's name in the present language; the code itself where there is none."""
    return str(iso.name(code)) or code
