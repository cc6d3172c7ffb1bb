"""Which way ext4 is read and filled on this host: through the library, else with e2fsprogs' programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from workers.errors import HostError
from workers.imaging import libext2fs
from workers.imaging.ext4 import Ext4, Superblock
from workers.imaging.ext4_fill import Ext4Fill
from workers.imaging.ext4_inode import Owner
from workers.imaging.ext4_plain import Ext4Plain
from workers.imaging.ext4_staged import Ext4Staged
from workers.imaging.ranges import Range
from workers.report import Report


class NewFile(Protocol):
    """A file that takes its content in order, or from an open file."""

    size: int

    def write(self, data: bytes | memoryview, /) -> None: ...
    def rewind(self) -> None: ...
    def shares(self, fd: int) -> bool: ...
    def copy_from(
        self, fd: int, *, sees: Callable[[memoryview], object] | None, tell: Callable[[int], None]
    ) -> None: ...


class Filler(Protocol):
    """A new file system that grows content; it is whole when its context ends without an error."""

    super: Superblock

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def makedirs(self, path: str, owner: Owner) -> object: ...
    def own(self, path: str, owner: Owner) -> None: ...
    def create(
        self, path: str, size: int, owner: Owner, *, folders: Owner, data: Sequence[Range] | None = None
    ) -> NewFile: ...
    def symlink(self, path: str, target: str, owner: Owner, *, folders: Owner) -> None: ...
    def hardlink(self, path: str, to: str, *, folders: Owner) -> None: ...
    def attribute(self, path: str, attributes: Mapping[str, bytes]) -> None: ...


def open_ext4(image: Path, offset: int) -> Ext4:
    """For reading."""
    return Ext4Plain(image, offset) if why_slow() else Ext4(image, offset)


def open_fill(image: Path, offset: int, *, now: int, report: Report) -> Filler:
    """For filling a new, empty file system; the log hears of it when it must be the slow way."""
    reason = why_slow()
    if reason is None:
        return Ext4Fill(image, offset, now=now)
    report.log(
        f"{reason.message}; until then mke2fs and debugfs do it, slower, with twice the room on the disk, "
        "and other bytes than other hosts give the same image"
    )
    return Ext4Staged(image, offset, now=now, check=report.check)


def why_slow() -> HostError | None:
    """What keeps the library from being used; None if nothing does."""
    try:
        libext2fs.lib()
    except HostError as error:
        return error
    return None
