"""The secrets that a recipe holds: a builder that talks must not bring them into logs."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from workers.creator.recipe import Recipe, read_recipe
from workers.errors import JobError
from workers.logs import Scrubber

_SECRET: Final = re.compile(r"pass|secret|token|key|auth|protected|credential|signature", re.IGNORECASE)
_SETTING: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_WORD: Final = re.compile(r"[^\s:,;\"'{}\[\]]+")
_SHORTEST_WORD: Final = 6  # shorter parts of a secret, as `admin`, are ordinary words


def secrets_of(recipe: Recipe) -> set[str]:
    """Values of settings that are called so, whole and in words, and passwords and keys of addresses.

    In all the ways in which programs write such things.
    """
    found = {text for value in _values(recipe.model_dump(), secret=False) for text in _spoken(value)}
    return {way for text in found for way in spellings(text)}


def mask_of(recipe_text: str) -> Callable[[str], str]:
    """What hides the secrets of a recipe. One that cannot be read is refused in words without any of it."""
    try:
        return Scrubber(secrets_of(read_recipe(recipe_text)))
    except JobError:
        return str


def secrets_of_address(url: str) -> Iterator[str]:
    """What an address holds that opens something: its password, that with the user, keys in its query."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return
    if not parts.scheme or not parts.netloc:
        return
    if password := unquote(parts.password or ""):
        yield password
        yield f"{unquote(parts.username or '')}:{password}"
    yield from (value for key, value in parse_qsl(parts.query) if _SECRET.search(key))


def spellings(text: str) -> Iterator[str]:
    """A text as it is, percent-encoded, in base64 and hex, escaped for JSON, YAML, HTML, shells, Python."""
    yield text
    raw = text.encode("utf-8", "surrogatepass")
    for safe in ("", "/", "/:@", "-._~!$&'()*+,;="):
        yield quote(raw, safe=safe)
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quote(raw, safe=safe))
    yield quote_plus(raw)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode().rstrip("=")
    for plain in (True, False):
        yield json.dumps(text, ensure_ascii=plain)[1:-1]
    yield raw.hex()
    yield html.escape(text)
    yield repr(text)[1:-1]
    yield text.replace("'", "''")
    yield text.replace("'", "'\"'\"'")
    yield re.sub(r"([^\w])", r"\\\1", text)


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
        else:
            yield from secrets_of_address(text)


def _spoken(value: str) -> Iterator[str]:
    """As one line, and in its parts."""
    yield value
    yield from (word for word in _WORD.findall(value) if len(word) >= _SHORTEST_WORD)
