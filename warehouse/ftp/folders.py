"""One folder of the warehouse, reached by its handle: no link is ever followed."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from warehouse.ftp.names import PART, stem_of
from warehouse.ftp.refusal import NOT_ALLOWED, Refused

NO_LINKS = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


@contextmanager
def handle_of(folder: Path) -> Iterator[int]:
    """A handle of `folder`, which must be a real directory."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | NO_LINKS)
    try:
        yield handle
    finally:
        os.close(handle)


def names_in(at: int) -> list[str]:
    """Everything in a folder that is open."""
    return os.listdir(at)


def open_file(name: str, flags: int, *, at: int) -> int:
    """A handle of a regular file that has no second name; anything else planted there is refused."""
    try:
        handle = os.open(name, flags | NO_LINKS, 0o640, dir_fd=at)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO, errno.EISDIR}:
            raise Refused(NOT_ALLOWED, f"{name} is no regular file") from error
        raise
    facts = os.fstat(handle)
    if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1:
        return handle
    os.close(handle)
    raise Refused(NOT_ALLOWED, f"{name} is no regular file of its own")


def entries(folder: Path) -> dict[str, os.stat_result]:
    """Files by the name that clients use (`NAME.part` counts as NAME); empty if there is no folder."""
    found: dict[str, os.stat_result] = {}
    try:
        with handle_of(folder) as at:
            for entry in names_in(at):
                facts = os.stat(entry, dir_fd=at, follow_symlinks=False)
                name = entry.removesuffix(PART)
                if stem_of(name) and stat.S_ISREG(facts.st_mode):
                    found[name] = facts
    except FileNotFoundError:
        return found
    return found


def open_for_reading(folder: Path, name: str) -> BinaryIO:
    """A finished file of `folder`; raises `Refused` when there is none."""

    def opener(_path: str, flags: int) -> int:
        with handle_of(folder) as at:
            return open_file(name, flags, at=at)

    try:
        # Unbuffered: the FTP library sends by sendfile, or reads in blocks of its own.
        return open(name, "rb", buffering=0, opener=opener)
    except OSError as error:
        raise Refused(NOT_ALLOWED, f"{name} cannot be read: {error.strerror}") from error


def plain_listing(folder: Path) -> str:
    """The files in the form of LIST."""
    return _lines(folder, "-rw-r----- 1 imager imager {size} {time} {name}", "%b %d %H:%M")


def machine_listing(folder: Path) -> str:
    """The files in the form of MLSD (RFC 3659)."""
    return _lines(folder, "modify={time};size={size};type=file; {name}", "%Y%m%d%H%M%S")


def name_listing(folder: Path) -> str:
    """The files in the form of NLST."""
    return _lines(folder, "{name}", "")


def _lines(folder: Path, line: str, time_form: str) -> str:
    return "".join(
        line.format(size=facts.st_size, name=name, time=_utc(facts.st_mtime, time_form)) + "\r\n"
        for name, facts in sorted(entries(folder).items())
    )


def _utc(seconds: float, form: str) -> str:
    return time.strftime(form, time.gmtime(seconds))
