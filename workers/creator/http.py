"""HTTP as downloads need it: sizes, pieces from an offset, and what may pass told from what will not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import requests
import urllib3

from workers.errors import JobError
from workers.imaging.manifest import public_source

_PIECE: Final = 1 << 20
_CONNECT, _SILENCE = 10, 60  # seconds
_HEADERS: Final = {"Accept-Encoding": "identity", "User-Agent": "imager-service"}
_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_PASSING: Final = {408, 423, 425, 429}
_GONE: Final = {404, 410}
_NO_ADDRESS: Final = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)
_NO_HEAD: Final = {400, 403, 405, 501}


class Interrupted(Exception):
    """A failure that may pass: try again. `wait` seconds at least, if the server asked for that."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.reason, self.wait = reason, wait


def shown(source: str) -> str:
    """A source as people may see it: no user, password or query."""
    try:
        return public_source(source)
    except ValueError:
        return "a malformed address"


def _nothing() -> None:
    """For those who begin at zero anyway."""


class Http:
    """A session that remembers which version of each file it has begun to read."""

    def __init__(self) -> None:
        self._session = requests.Session()
        self._session.headers.update(_HEADERS)
        self._versions: dict[str, str] = {}
        self._totals: dict[str, int | None] = {}

    def close(self) -> None:
        self._session.close()

    def size(self, url: str) -> int | None:
        """Bytes of a file, None if the server does not tell. JobError or `Interrupted` on failure."""
        with self._answer("HEAD", url) as answer:
            if answer.status_code not in _NO_HEAD:
                _check(answer, url)
                return _length(answer)
        with self._answer("GET", url, {"Range": "bytes=0-0"}) as answer:
            if answer.status_code == 416:  # an empty file has no first byte
                return 0
            _check(answer, url)
            return _total(answer)

    def total(self, url: str) -> int | None:
        """The whole size that the last answer of `pieces` told, if it told one."""
        return self._totals.get(url)

    def pieces(
        self, url: str, *, offset: int = 0, rewind: Callable[[], None] = _nothing, limit: int | None = None
    ) -> Iterator[bytes]:
        """The file's bytes from `offset` on; `rewind` is called if the server begins at zero again."""
        headers = {}
        if offset and (version := self._versions.get(url)):
            headers = {"Range": f"bytes={offset}-", "If-Range": version}
        elif offset:
            rewind()  # nothing would tell if the rest were of another version of the file
            offset = 0
        with self._answer("GET", url, headers) as answer:
            if offset and answer.status_code == 416:
                rewind()
                raise Interrupted("the file has changed on the server")
            _check(answer, url)
            if offset and not _continues(answer, offset):
                rewind()
                if answer.status_code == 206:
                    raise Interrupted("the server sent another part than was asked for")
            self._versions[url], self._totals[url] = _version(answer), _total(answer)
            yield from _body(answer, limit)

    @contextmanager
    def _answer(
        self, method: str, url: str, headers: dict[str, str] | None = None
    ) -> Iterator[requests.Response]:
        try:
            with self._session.request(
                method, url, headers=headers, stream=True, timeout=(_CONNECT, _SILENCE), allow_redirects=True
            ) as answer:
                yield answer
        except _NO_ADDRESS:
            raise JobError(
                "bad_source", f"{shown(url)} is no address that can be fetched; correct it"
            ) from None
        except requests.exceptions.TooManyRedirects:
            raise JobError("bad_source", f"{shown(url)} leads in circles; correct the address") from None
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
            raise Interrupted("the server was silent for too long") from None
        except requests.exceptions.SSLError:
            raise Interrupted("the server's certificate was not accepted, or TLS broke") from None
        except requests.exceptions.ConnectionError:
            raise Interrupted("there was no connection to the server") from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError):
            raise Interrupted("the transfer broke") from None


def _body(answer: requests.Response, limit: int | None) -> Iterator[bytes]:
    left = limit
    for piece in answer.raw.stream(_PIECE, decode_content=False):
        yield piece if left is None else piece[:left]
        if left is not None:
            left -= len(piece)
            if left <= 0:
                return


def _check(answer: requests.Response, url: str) -> None:
    status, where = answer.status_code, shown(url)
    if status in _GONE:
        raise JobError("not_found", f"{where} does not exist (HTTP {status}); correct the address")
    if status in {401, 403}:
        raise JobError(
            "forbidden", f"{where} may not be fetched (HTTP {status}); check address and access rights"
        )
    if status in _PASSING or status >= 500:
        asked = answer.headers.get("Retry-After", "")
        raise Interrupted(f"the server answered HTTP {status}", float(asked) if asked.isdecimal() else 0.0)
    if status not in {200, 206}:
        raise JobError("bad_source", f"{where} cannot be fetched (HTTP {status}); correct the address")


def _length(answer: requests.Response) -> int | None:
    text = answer.headers.get("Content-Length", "")
    encoded = answer.headers.get("Content-Encoding", "identity") != "identity"
    return int(text) if text.isdecimal() and not encoded else None


def _total(answer: requests.Response) -> int | None:
    if answer.status_code == 200:
        return _length(answer)
    span = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    return int(span[2]) if span and span[2] != "*" else None


def _continues(answer: requests.Response, offset: int) -> bool:
    span = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    return answer.status_code == 206 and span is not None and int(span[1]) == offset


def _version(answer: requests.Response) -> str:
    """What `If-Range` takes: a strong ETag, else the date of the last change, else nothing."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")
