"""An entry as feeds describe it, whatever their format."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

from orders import validators
from orders.models import Content

MOST_BYTES: Final = 1 << 42  # of one entry: 4 TiB
MOST_COUNT: Final = 1 << 53
CONTENTS: Final = "/data/contents"
_UNFIT: Final = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
_LIMITS: Final = {
    name: getattr(Content._meta.get_field(name), "max_length", 0)
    for name in (
        "ident",
        "title",
        "publisher",
        "name",
        "flavour",
        "category",
        "version",
        "edition",
        "url",
        "path",
    )
}


class BadEntry(ValueError):
    """An entry that cannot be taken, and why: a sentence's end."""


@dataclass(frozen=True)
class Bad:
    """What a feed calls it, as far as it has a name, and why it was left out."""

    ident: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What one entry of a feed says. The fields are those of `Content`."""

    ident: str
    kind: str
    title: str
    description: str = ""
    publisher: str = ""
    name: str = ""
    flavour: str = ""
    category: str = ""
    tags: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    articles: int | None = None
    medias: int | None = None
    version: str = ""
    issued: date | None = None
    edition: str = ""
    url: str = ""
    path: str = ""
    size: int = 0
    exact: bool = True
    package: dict[str, Any] = field(default_factory=dict)
    illustration_url: str = ""

    def fields(self) -> dict[str, Any]:
        """Everything but the identifier."""
        return {name: value for name, value in asdict(self).items() if name != "ident"}

    def fingerprint(self) -> str:
        """Two entries with the same one say the same."""
        told = json.dumps(asdict(self), sort_keys=True, default=str)
        return hashlib.sha256(told.encode()).hexdigest()


def checked(entry: Entry) -> Entry:
    """The entry, if it can be ordered and stored. BadEntry."""
    for name, limit in _LIMITS.items():
        value = getattr(entry, name)
        if len(value) > limit:
            raise BadEntry(f"its {name} has {len(value)} characters; at most {limit} fit")
    _check_text(entry)
    if not entry.title:
        raise BadEntry("it has no title")
    if not 0 < entry.size <= MOST_BYTES:
        raise BadEntry(f"its size of {entry.size} bytes cannot be")
    if max(entry.articles or 0, entry.medias or 0) > MOST_COUNT:
        raise BadEntry("its count of articles or media cannot be")
    _check_place(entry)
    return entry


def _check_text(entry: Entry) -> None:
    """Nothing that a database cannot hold: NUL, halves of characters, numbers that are none."""
    if any(len(word) > most for words, most in ((entry.tags, 100), (entry.languages, 10)) for word in words):
        raise BadEntry("one of its tags or languages is too long")
    try:
        told = json.dumps(asdict(entry), ensure_ascii=False, allow_nan=False, default=str)
        told.encode()
    except ValueError as error:
        raise BadEntry(f"it cannot be stored: {error}") from error
    if "\\u0000" in told:
        raise BadEntry("it holds a NUL character")


def _check_place(entry: Entry) -> None:
    if bool(entry.url) != bool(entry.path):
        raise BadEntry("it has an address without a place on the card, or the reverse")
    try:
        if entry.url:
            validators.content_url(entry.url)
            validators.card_path(entry.path)
    except ValidationError as error:
        raise BadEntry(f"{entry.url} to {entry.path}: {error.messages[0]}") from error


def plain_name(text: str) -> str:
    """As a file's name: what file systems or shells mistake is left out."""
    name = _UNFIT.sub("", text).strip(" .")
    if not name:
        raise BadEntry(f"{text!r} leaves no name for its file")
    return name


def whole(text: str | None, what: str) -> int | None:
    """A whole number that is not negative; None for nothing. BadEntry."""
    text = (text or "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise BadEntry(f"its {what} {text[:30]!r} is no whole number")
    return int(text)


def day(text: str | None) -> date | None:
    """The day of `2026-01-31T00:00:00Z`; None for nothing, or what is no date."""
    try:
        return date.fromisoformat((text or "").strip()[:10])
    except ValueError:
        return None


def file_name(url: str) -> str:
    """The last part of an address."""
    return PurePosixPath(urlsplit(url).path).name
