"""Which names may exist in the warehouse. Everything else is refused before a path is made of it."""

from __future__ import annotations

import re
from typing import Final

from workers.contract import ARTIFACT_SUFFIXES, TORRENT_SUFFIX

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_USER: Final = re.compile(rf"({_UUID.pattern})\.([1-9][0-9]{{0,8}})")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")

PART: Final = ".part"


def is_uuid(text: object) -> bool:
    """Whether `text` is a UUID in its canonical spelling."""
    return isinstance(text, str) and _UUID.fullmatch(text) is not None


def is_attempt(text: str) -> bool:
    """Whether `text` is `<task>.<attempt>`: a user name, and the name of a folder in `incoming/`."""
    return _USER.fullmatch(text) is not None


def is_sha256(text: object) -> bool:
    """Whether `text` is a SHA-256 in lower-case hex."""
    return isinstance(text, str) and _SHA256.fullmatch(text) is not None


def stem_of(name: object) -> str | None:
    """The image's stem in a file name of ours, or None when the warehouse keeps no such file."""
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        return None
    # The longest suffix first: `.manifest.json.sig` also ends a name of its own kind.
    for suffix in sorted((*ARTIFACT_SUFFIXES, TORRENT_SUFFIX), key=len, reverse=True):
        if name.endswith(suffix):
            return name.removesuffix(suffix) or None
    return None
