"""One file from the warehouse into a `.part` beside its final name: resumed, proved, then renamed."""

from __future__ import annotations

import ftplib
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from workers.contract import FileFacts
from workers.errors import HostError, JobError
from workers.imaging.container import StreamChecker, resumed
from workers.places import PART_SUFFIX, artifact
from workers.report import Report
from workers.warehouse import BUFFER, Line

if TYPE_CHECKING:
    from hashlib import _Hash


@dataclass
class _Partial:
    """What is there of a file, all of it good so far."""

    have: int = 0
    digest: _Hash = field(default_factory=hashlib.sha256)
    checker: StreamChecker | None = None


class Fetch:
    """The way of one file. With `root` it is a container, whose frames are proved as they arrive.

    `progress` is called with the number of its bytes that are here.
    """

    def __init__(
        self,
        folder: Path,
        facts: FileFacts,
        *,
        root: str | None = None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._facts = facts
        self._root = root
        self._progress = progress
        self._final = artifact(folder, facts["name"])
        self._part = self._final.with_name(self._final.name + PART_SUFFIX)

    def run(self, line: Line, report: Report) -> Path:
        """The file under its final name, every byte proved; HostError `damaged` when it is another."""
        if not self._is_here(report):
            line.through(lambda ftp: self._receive(ftp, line, report))
            self._part.replace(self._final)
            _sync(self._final.parent)
        self._progress(self._facts["size"])
        return self._final

    def _is_here(self, report: Report) -> bool:
        """Left by an earlier attempt, and still whole?"""
        if not self._final.exists():
            return False
        if (
            self._final.stat().st_size == self._facts["size"]
            and _digest(self._final, report).hexdigest() == self._facts["sha256"]
        ):
            return True
        self._final.unlink()
        return False

    def _receive(self, ftp: ftplib.FTP, line: Line, report: Report) -> None:
        partial = self._good_part(report)
        self._progress(partial.have)
        if partial.have < self._facts["size"]:
            self._transfer(ftp, partial, line, report)
        if partial.digest.hexdigest() != self._facts["sha256"]:
            raise self._damaged("its SHA-256 is another")
        if partial.checker is not None:
            partial.checker.finish(self._root)

    def _transfer(self, ftp: ftplib.FTP, partial: _Partial, line: Line, report: Report) -> None:
        command = f"RETR {self._facts['name']}"
        with self._part.open("ab") as file, ftp.transfercmd(command, rest=partial.have or None) as data:
            while portion := data.recv(BUFFER):
                report.check()
                self._take(partial, portion)
                file.write(portion)
                line.moved()
                self._progress(partial.have)
            file.flush()
            os.fsync(file.fileno())
        if partial.have < self._facts["size"]:
            raise EOFError(f"{partial.have} of {self._facts['size']} bytes of {self._facts['name']} arrived")
        ftp.voidresp()

    def _take(self, partial: _Partial, portion: bytes) -> None:
        partial.have += len(portion)
        if partial.have > self._facts["size"]:
            raise self._damaged(f"it is longer than {self._facts['size']} bytes")
        partial.digest.update(portion)
        if partial.checker is not None:
            try:
                partial.checker.feed(portion)
            except JobError as error:  # the next attempt goes on behind the last good frame
                raise HostError(
                    "damaged", f"{self._facts['name']} arrived damaged: {error.message}"
                ) from error

    def _good_part(self, report: Report) -> _Partial:
        """Keep of a partial file what is proved: of a container its good frames, of small files nothing."""
        self._part.touch(mode=0o600)
        checker = resumed(self._part) if self._root else None
        os.truncate(self._part, checker.verified if checker else 0)
        return _Partial(self._part.stat().st_size, _digest(self._part, report), checker)

    def _damaged(self, why: str) -> HostError:
        self._part.unlink()
        return HostError(
            "damaged", f"{self._facts['name']} arrived damaged: {why}. It was removed; retry the download."
        )


def _digest(path: Path, report: Report) -> _Hash:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while portion := file.read(BUFFER):
            report.check()
            digest.update(portion)
    return digest


def _sync(folder: Path) -> None:
    """A rename is on the disk when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
