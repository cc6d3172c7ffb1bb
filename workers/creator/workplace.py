"""Where a build happens: a private folder beside its result, and what its disk has to say."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from workers.errors import HostError

_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT}
_NO_WAY_IN: Final = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}


@contextmanager
def work_folder(out_dir: Path, name: str) -> Iterator[Path]:
    """A folder beside the result, so that renaming moves nothing; gone afterwards, however it ends."""
    out_dir.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=".work", dir=out_dir.resolve()))
    try:
        yield work
    finally:
        shutil.rmtree(work)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """What goes wrong with the disk of `folder` as HostError; other OSErrors as they are."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise HostError(
                "disk_full", f"the disk of {folder} is full; free some space or choose another folder"
            ) from error
        if error.errno in _NO_WAY_IN:
            raise HostError(
                "not_writable", f"{folder} cannot be written ({error.strerror}); choose another folder"
            ) from error
        if error.errno == errno.EIO:
            raise HostError(
                "disk_failed", f"the disk of {folder} fails (input/output error); use another one"
            ) from error
        raise
