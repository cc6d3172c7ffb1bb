"""The files of one image."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypedDict

# File names of one image: NAME + suffix.
IMAGE_SUFFIX: Final = ".img.zst"
BMAP_SUFFIX: Final = ".img.bmap"
MANIFEST_SUFFIX: Final = ".manifest.json"
SIGNATURE_SUFFIX: Final = ".manifest.json.sig"
TORRENT_SUFFIX: Final = ".img.zst.torrent"  # beside these four where the spec asks for it
ARTIFACT_SUFFIXES: Final = (IMAGE_SUFFIX, BMAP_SUFFIX, MANIFEST_SUFFIX, SIGNATURE_SUFFIX)


def is_whole(suffixes: Iterable[str]) -> bool:
    """Whether files that end so are one image: the four, and a torrent or none."""
    return sorted(suffixes) in (sorted(ARTIFACT_SUFFIXES), sorted((*ARTIFACT_SUFFIXES, TORRENT_SUFFIX)))


class FileFacts(TypedDict):
    """One stored file: name without folder, size in bytes, SHA-256 in hex."""

    name: str
    size: int
    sha256: str
