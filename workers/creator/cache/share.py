"""A kept file at another place, without a second copy where the file system allows it."""

from __future__ import annotations

import errno
import os
import shutil
from enum import StrEnum
from pathlib import Path
from typing import Final

from workers.imaging.clone import clone_whole

_NO_LINK: Final = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP}


class Way(StrEnum):
    """How a file was shared."""

    CLONE = "clone"  # own file, common blocks: may be written to
    LINK = "link"  # the same file: only for those who read
    COPY = "copy"


def share(kept: Path, target: Path, *, read_only: bool) -> Way:
    """Make `target`, which must not exist, a file with the content of `kept`: clone, link or copy."""
    if _clone(kept, target):
        return Way.CLONE
    if read_only and _link(kept, target):
        return Way.LINK
    try:
        shutil.copyfile(kept, target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return Way.COPY


def _clone(kept: Path, target: Path) -> bool:
    with kept.open("rb") as reading, target.open("xb") as writing:
        try:
            done = clone_whole(reading.fileno(), writing.fileno())
        except OSError:
            target.unlink()
            raise
    if not done:
        target.unlink()
    return done


def _link(kept: Path, target: Path) -> bool:
    try:
        os.link(kept, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        return False
    return True
