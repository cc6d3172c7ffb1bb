"""The secrets that a recipe holds: a builder that talks must not bring them into logs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from workers.creator.recipe import Recipe

_SECRET: Final = re.compile(r"pass|secret|token|key|auth|protected|credential", re.IGNORECASE)
_SETTING: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_WORD: Final = re.compile(r"[^\s:,;\"'{}\[\]]+")
_SHORTEST_WORD: Final = 6  # shorter parts of a secret, as `admin`, are ordinary words


def secrets_of(recipe: Recipe) -> set[str]:
    """Values of settings that are called so, whole and in words, and passwords of addresses."""
    return {text for value in _values(recipe.model_dump(), secret=False) for text in _spoken(value)}


def password_of(url: str) -> str:
    """The password that an address holds, else nothing."""
    try:
        return unquote(urlsplit(url).password or "")
    except ValueError:
        return ""


def _values(node: Any, *, secret: bool) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _values(value, secret=secret or bool(_SECRET.search(str(key))))
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _values(value, secret=secret)
    elif isinstance(node, str | int) and not isinstance(node, bool):
        text = str(node)
        setting = _SETTING.fullmatch(text)
        if secret:
            yield text
        elif setting and _SECRET.search(setting[1]):
            yield setting[2]
        elif password := password_of(text):
            yield password


def _spoken(value: str) -> Iterator[str]:
    """As one line, and in its parts."""
    yield value
    yield from (word for word in _WORD.findall(value) if len(word) >= _SHORTEST_WORD)
