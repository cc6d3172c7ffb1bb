"""A file on a server, read in parts: the index of a zip archive is known before its content is fetched."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from typing import Final

from workers.creator.http import Http, Interrupted
from workers.errors import JobError

_LEAST: Final = 1 << 16  # bytes per request
_MOST: Final = 64 << 20  # bytes of an index


class RemoteFile(io.RawIOBase):
    """Seekable; OSError where the server gives no parts, or too many of them are asked for."""

    def __init__(self, http: Http, url: str, size: int) -> None:
        self._http, self._url, self._size = http, url, size
        self._at = self._fetched = 0
        self._first, self._known = 0, b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError("before the beginning")
        self._at = base + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self._size if size < 0 else min(self._at + size, self._size)
        if end <= self._at:
            return b""
        if not self._first <= self._at <= end <= self._first + len(self._known):
            self._load(self._at, end)
        data = self._known[self._at - self._first : end - self._first]
        self._at = end
        return data

    def _load(self, first: int, end: int) -> None:
        """A bit more than is asked for: an index is read from its end, in small steps."""
        first = min(first, max(0, self._size - _LEAST)) if end == self._size else first
        end = min(max(end, first + _LEAST), self._size)
        self._fetched += end - first
        if self._fetched > _MOST:
            raise OSError("too much is asked for")
        data = self._http.part(self._url, first, end - 1)
        if data is None or len(data) != end - first:
            raise OSError("the server gives no parts")
        self._first, self._known = first, data


def zip_sizes(http: Http, url: str, size: int) -> list[tuple[str, int]] | None:
    """Names and sizes of what a zip archive on a server holds; None where that cannot be told from afar."""
    try:
        with zipfile.ZipFile(RemoteFile(http, url, size)) as archive:
            return [(info.filename, info.file_size) for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, NotImplementedError, Interrupted, JobError):
        return None  # it is asked again, properly, when it is fetched
