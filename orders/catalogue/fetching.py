"""Fetching a feed: from a server, if it changed, or from a file. Bounded in bytes and time."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlsplit

import requests

from orders.catalogue.faults import FeedFault

MOST_BYTES: Final = 256 << 20  # unpacked
PIECE: Final = 1 << 16
TIMEOUTS: Final = (10, 30)  # seconds: to connect, between two pieces
PATIENCE: Final = 600  # seconds for all of it
IN_MEMORY: Final = 4 << 20
AGENT: Final = "imager-service (catalogue)"


@dataclass(frozen=True)
class Marks:
    """By what a server tells whether its feed changed."""

    etag: str = ""
    last_modified: str = ""

    def headers(self) -> dict[str, str]:
        """The question “only if it changed since”."""
        told = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in told.items() if value}


@dataclass(frozen=True)
class Fetched:
    """A whole feed, and how to ask for the next one."""

    body: IO[bytes]
    url: str
    marks: Marks


@contextmanager
def fetched(address: str, marks: Marks) -> Iterator[Fetched | None]:
    """The feed at an address or path; None if it is the same as last time. FeedFault."""
    if urlsplit(address).scheme not in {"http", "https"}:
        with _opened(address) as body:
            yield Fetched(body, Path(address).absolute().as_uri(), Marks())
        return
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as body:
        answer = _download(address, marks, body)
        body.seek(0)
        yield Fetched(body, answer.url, answer.marks) if answer else None


def _opened(path: str) -> IO[bytes]:
    try:
        file = Path(path).open("rb")  # noqa: SIM115  # whoever asked closes it
    except OSError as error:
        raise FeedFault(f"the file cannot be read: {error.strerror}") from error
    if Path(path).stat().st_size > MOST_BYTES:
        file.close()
        raise FeedFault(f"it has more than {MOST_BYTES} bytes")
    return file


@dataclass(frozen=True)
class _Answer:
    url: str
    marks: Marks


def _download(address: str, marks: Marks, body: IO[bytes]) -> _Answer | None:
    try:
        with requests.get(
            address, headers={"User-Agent": AGENT, **marks.headers()}, timeout=TIMEOUTS, stream=True
        ) as answer:
            if answer.status_code == requests.codes.not_modified and marks.headers():
                return None
            if answer.status_code != requests.codes.ok:
                raise FeedFault(f"its server answers {answer.status_code} {answer.reason}")
            _save(answer, body)
            told = Marks(answer.headers.get("ETag", "")[:200], answer.headers.get("Last-Modified", "")[:100])
            return _Answer(answer.url, told)
    except requests.RequestException as error:
        raise FeedFault(f"it cannot be fetched: {_words(error)}") from error


def _save(answer: requests.Response, body: IO[bytes]) -> None:
    size, end = 0, time.monotonic() + PATIENCE
    for piece in answer.iter_content(PIECE):
        size += len(piece)
        if size > MOST_BYTES:
            raise FeedFault(f"it has more than {MOST_BYTES} bytes")
        if time.monotonic() > end:
            raise FeedFault(f"it was not here after {PATIENCE} seconds")
        body.write(piece)


def _words(error: requests.RequestException) -> str:
    """In a few words: the innermost reason."""
    reason: BaseException = error
    while (inner := reason.__cause__ or reason.__context__) is not None:
        reason = inner
    return f"{type(error).__name__}: {reason}"[:300]
