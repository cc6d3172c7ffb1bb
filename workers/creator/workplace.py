"""Where a build happens: a private folder beside its result, and what its disk has to say."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from workers import mounts
from workers.errors import HostError

_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT}
_NO_WAY_IN: Final = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}
_SUFFIX: Final = ".work"
_MARK: Final = ".imager-build"  # lies in each of our folders: whatever else has such a name is somebody's


@contextmanager
def work_folder(out_dir: Path, name: str) -> Iterator[Path]:
    """A folder beside the result, so that renaming moves nothing; gone afterwards, however it ends.

    What a killed build has left there goes first: it bears our mark, and its lock, which the kernel holds
    for the living, is free.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    place = out_dir.resolve()
    for left in place.glob(f".*.????????{_SUFFIX}"):
        if (left / _MARK).is_file():
            _sweep(left)
    work, lock = _new_folder(place, name)
    try:
        yield work
    finally:
        try:
            clear(work)
        finally:
            os.close(lock)


def clear(folder: Path) -> None:
    """Remove a folder, but nothing that is mounted in it: that is let go, else HostError `not_removed`."""
    mounts.let_go(folder)
    mounts.check_free(folder)
    shutil.rmtree(folder)


def _new_folder(place: Path, name: str) -> tuple[Path, int]:
    """With its lock, a file descriptor. If somebody has swept it away in between, another one."""
    while True:
        work = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=_SUFFIX, dir=place))
        lock = _lock(work)
        if lock is not None:
            (work / _MARK).touch()
            return work, lock


def _sweep(left: Path) -> None:
    lock = _lock(left)
    if lock is None:
        return
    try:
        clear(left)
    finally:
        os.close(lock)


def _lock(folder: Path) -> int | None:
    """Hold a folder of ours that nobody else holds; None if there is none."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_uid == os.geteuid() and os.path.samestat(os.fstat(lock), folder.lstat()):
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(lock)
    return None


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
