"""The offspot app catalogue: a JSON list of apps (container images) and packages of files.

The format: https://github.com/offspot/offspot-config, `catalog.json` and `packages.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import IO, Any, Final

from orders.catalogue.entries import CONTENTS, Bad, BadEntry, Entry, checked
from orders.catalogue.faults import FeedFault
from orders.models import Content

KINDS: Final = {"app": Content.Kind.APP, "files": Content.Kind.FILES}
WAYS: Final = frozenset({"direct", "bztar", "gztar", "tar", "xztar", "zip"})
MOST_ENTRIES: Final = 10_000
MOST_BYTES: Final = 16 << 20  # what is longer is cut, and then no JSON
ALGORITHMS: Final = {  # and their digits, as creators know them
    "md5": 32,
    "sha-1": 40,
    "sha-224": 56,
    "sha-256": 64,
    "sha-384": 96,
    "sha-512": 128,
    "adler32": 8,
}
_IMAGE: Final = re.compile(r"(?!.{251})[A-Za-z0-9][A-Za-z0-9._/:-]*(@[a-z0-9]+:[0-9a-f]{32,128})?")
_IDENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_TAG: Final = re.compile(r":([A-Za-z0-9_][A-Za-z0-9._-]*)$")


def read(feed: IO[bytes], base: str) -> Iterator[Entry | Bad]:  # noqa: ARG001  # as `opds.read`
    """What the catalogue holds, bad entries by name. FeedFault if it is none."""
    try:
        entries = json.loads(feed.read(MOST_BYTES))
    except (ValueError, RecursionError) as error:
        raise FeedFault(f"it is no whole JSON ({error}): cut off, or something else") from error
    if not isinstance(entries, list):
        raise FeedFault("it is no list of apps")
    if len(entries) > MOST_ENTRIES:
        raise FeedFault(f"it holds more than {MOST_ENTRIES} entries")
    for entry in entries:
        yield _entry(entry)


def _entry(told: Any) -> Entry | Bad:
    ident = str(told.get("ident", ""))[:250] if isinstance(told, dict) else ""
    if not isinstance(told, dict) or not _IDENT.fullmatch(ident):
        return Bad(ident or str(told)[:80], "it has no identifier like file-manager.offspot.kiwix.org")
    try:
        return checked(_package(told, ident))
    except BadEntry as error:
        return Bad(ident, str(error))


def _package(told: dict[str, Any], ident: str) -> Entry:
    kind = KINDS.get(str(told.get("kind")))
    if kind is None:
        raise BadEntry(f"its kind {told.get('kind')!r} is neither app nor files")
    url, way = (
        _word(told, "download_url"),
        _word(told, "via" if kind == "files" else "download_via") or "direct",
    )
    if way not in WAYS:
        raise BadEntry(f"it is packed as {way!r}; known are {', '.join(sorted(WAYS))}")
    if kind == Content.Kind.FILES and not url:
        raise BadEntry("it has no address to fetch it from")
    for key in ("domain", "description"):  # offspot-config builds nothing without them
        if not isinstance(told.get(key), str):
            raise BadEntry(f"it does not tell its {key}")
    _check_digest(told)
    fetched = _bytes(told, "download_size")
    room = _image(told) if kind == Content.Kind.APP else 0
    return Entry(
        ident=ident,
        kind=kind,
        title=_word(told, "title"),
        description=_word(told, "description"),
        publisher="offspot",
        name=ident,
        category=(_words(told, "tags") or [""])[0][:60],
        tags=_words(told, "tags"),
        languages=_words(told, "languages"),
        version=_version(told),
        edition=url or _word(told, "image"),
        url=url,
        path=_path(told, kind, ident) if url else "",
        size=fetched + room,
        exact=False,
        package=told,
        illustration_url=_word(told, "icon_url")[:500],
    )


def _image(told: dict[str, Any]) -> int:
    """What an app's container image takes: its tar, and what it unfolds to."""
    if not _IMAGE.fullmatch(_word(told, "image")):
        raise BadEntry("it is an app without a container image like ghcr.io/offspot/magoe:1.1")
    sizes = _bytes(told, "image_filesize"), _bytes(told, "image_fullsize")
    if not all(sizes):
        raise BadEntry("it does not tell image_filesize and image_fullsize")
    return sum(sizes)


def _check_digest(told: dict[str, Any]) -> None:
    """What builds would stumble over."""
    digest = told.get("download_checksum")
    if digest is None:
        return
    if not isinstance(digest, dict) or digest.get("kind", "digest") not in {"digest", "url"}:
        raise BadEntry("its download_checksum is none")
    digits, value = ALGORITHMS.get(str(digest.get("algo"))), str(digest.get("value", ""))
    plain = digest.get("kind", "digest") == "digest"
    if digits is None or (plain and not re.fullmatch(f"[0-9a-fA-F]{{{digits}}}", value)):
        raise BadEntry(f"its download_checksum is none of {', '.join(ALGORITHMS)}")


def _path(told: dict[str, Any], kind: str, ident: str) -> str:
    if kind == Content.Kind.FILES:
        return f"{CONTENTS}/files/{_word(told, 'target') or ident}"
    return f"{CONTENTS}/{_word(told, 'download_to') or ident}"


def _version(told: dict[str, Any]) -> str:
    found = _TAG.search(_word(told, "image"))
    return found[1][:50] if found else ""


def _word(told: dict[str, Any], key: str) -> str:
    value = told.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadEntry(f"its {key} is no text")
    return " ".join(value.split())


def _words(told: dict[str, Any], key: str) -> list[str]:
    value = told.get(key) or []
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise BadEntry(f"its {key} are no list of texts")
    return [word.strip() for word in value if word.strip()]


def _bytes(told: dict[str, Any], key: str) -> int:
    value = told.get(key) or 0
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadEntry(f"its {key} is no size in bytes")
    return value
