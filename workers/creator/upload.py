"""The four files of an image to the warehouse, resumed after every cut, then published as one."""

from __future__ import annotations

import ftplib
import json
from collections.abc import Sequence
from pathlib import Path

from workers.contract import FileFacts, Step
from workers.errors import HostError
from workers.report import Report
from workers.warehouse import BUFFER, Line, finish, size

_SLOWEST_HASH = 20 * 1024 * 1024  # bytes per second: the warehouse reads everything again before it publishes
_HASH_FLOOR = 120.0


def upload(folder: Path, files: Sequence[FileFacts], line: Line, report: Report) -> None:
    """Bring every file of `files` from `folder` to the warehouse; what is there already is not sent again."""
    report.step(Step.UPLOADING, sum(facts["size"] for facts in files))
    before = 0
    for facts in files:
        _Transfer(folder / facts["name"], facts["size"], before, line, report).through()
        before += facts["size"]
    report.progress(before)


def publish(files: Sequence[FileFacts], line: Line, report: Report) -> None:
    """Ask the warehouse to check and publish. Repeating is harmless: a lost answer is asked for again."""
    report.step(Step.PUBLISHING)
    page = json.dumps([dict(facts) for facts in files], separators=(",", ":"))
    patience = max(_HASH_FLOOR, sum(facts["size"] for facts in files) / _SLOWEST_HASH)

    def ask(ftp: ftplib.FTP) -> None:
        report.check()
        if ftp.sock is not None:
            ftp.sock.settimeout(patience)
        ftp.sendcmd(f"SITE PUBLISH {page.encode().hex()}")

    line.through(ask)


class _Transfer:
    """One file on its way."""

    def __init__(self, path: Path, length: int, before: int, line: Line, report: Report) -> None:
        self._path = path
        self._length = length
        self._before = before
        self._line = line
        self._report = report

    def through(self) -> None:
        """Return when the warehouse has every byte."""
        self._line.through(self._send)

    def _send(self, ftp: ftplib.FTP) -> None:
        there = size(ftp, self._path.name)
        if there > self._length:
            raise HostError(
                "upload_mismatch",
                f"The warehouse has {there} bytes of {self._path.name}, not {self._length}: retry the task.",
            )
        self._report.progress(self._before + there)
        if there == self._length and there > 0:
            return
        with self._path.open("rb") as file:
            file.seek(there)
            data = ftp.transfercmd(f"STOR {self._path.name}", rest=there or None)
            with data:
                while buffer := file.read(BUFFER):
                    self._report.check()
                    data.sendall(buffer)
                    there += len(buffer)
                    self._line.moved()
                    self._report.progress(self._before + there)
                finish(ftp, data)
        self._confirm(ftp)

    def _confirm(self, ftp: ftplib.FTP) -> None:
        """A `226` after a transfer proves nothing: ask for the size."""
        there = size(ftp, self._path.name)
        if there != self._length:
            raise EOFError(f"{there} of {self._length} bytes of {self._path.name} arrived")
