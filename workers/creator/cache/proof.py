"""Is an entry what it was when it came? By a stamp at each use, by its digest when that no longer fits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from workers.creator.cache.facts import Facts, Stamp
from workers.creator.digest import new_digest
from workers.imaging.sparse import data_ranges

_PIECE: Final = 1 << 20
_ZEROS: Final = bytes(_PIECE)


def digest_of(path: Path, algo: str, check: Callable[[], None]) -> str:
    """The digest of a file; its holes are not read. `check` may raise between pieces."""
    digest, at = new_digest(algo), 0
    size = path.stat().st_size

    def zeros(end: int) -> None:
        nonlocal at
        while at < end:
            check()
            digest.update(_ZEROS[: end - at])
            at = min(end, at + _PIECE)

    with path.open("rb") as file:
        for each in data_ranges(file.fileno(), size):
            zeros(each.offset)
            file.seek(at)
            while at < each.end and (piece := file.read(min(_PIECE, each.end - at))):
                check()
                digest.update(piece)
                at += len(piece)
    zeros(size)
    return digest.hexdigest()


def looks_untouched(path: Path, facts: Facts) -> bool:
    """Whether nothing has written to the file since it was last verified, as far as its file system tells."""
    try:
        return Stamp.of(path) == facts.stamp
    except FileNotFoundError:
        return False


def is_whole(path: Path, facts: Facts, check: Callable[[], None]) -> bool:
    """Whether every byte is what it was."""
    try:
        if path.stat().st_size != facts.size:
            return False
        return digest_of(path, "sha-256", check) == facts.content
    except OSError:  # the disk cannot give it back: as good as lost
        return False
