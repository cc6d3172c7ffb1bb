"""HTTP as downloads need it: sizes, pieces from an offset, and what may pass told from what will not."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

import requests
import urllib3
from requests.utils import get_environ_proxies, requote_uri

from workers.creator.guard import EVERYWHERE, Guard
from workers.creator.inputs import Told
from workers.creator.wire import Wire
from workers.errors import JobError
from workers.imaging.manifest import public_source

_PIECE: Final = 1 << 20
_CONNECT, _SILENCE = 10, 60  # seconds
_REDIRECTS: Final = 10
_MOVED: Final = {301, 302, 303, 307, 308}
_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_PASSING: Final = {408, 423, 425, 429}
_GONE: Final = {404, 410}
_NO_HEAD: Final = {400, 403, 405, 501}


class Interrupted(Exception):
    """A failure that may pass: try again. `wait` seconds at least, if the server asked for that."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.reason, self.wait = reason, wait


@dataclass(frozen=True)
class Seen:
    """What a server tells of a file; `headers`: those of all answers on the way, redirects among them."""

    told: Told
    headers: tuple[tuple[str, str], ...] = ()

    def all(self, name: str) -> list[str]:
        """The values of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass
class Trace:
    """What one transfer knows of one address: which version it began to read, how large, and where it lies.

    Another transfer of the same address has its own: it may have begun to read another version.
    """

    version: str = ""
    total: int | None = None
    place: str = ""
    used: bool = False  # something came from it

    def forget(self) -> None:
        """Go the whole way again next time: where a redirect led once may be gone."""
        self.place = ""


def shown(source: str) -> str:
    """A source as people may see it: no user, password or query."""
    try:
        return public_source(source)
    except ValueError:
        return "a malformed address"


def _nothing() -> None:
    """For those who begin at zero anyway."""


class Http:
    """A guarded session. For several threads."""

    def __init__(self, guard: Guard | None = None) -> None:
        self.wire = Wire(guard or Guard(EVERYWHERE))
        self._session = self.wire.session()

    def close(self) -> None:
        self._session.close()

    def cut(self) -> None:
        """End all transfers at once; those who read get `Interrupted` or `Canceled`."""
        self.wire.cut()

    def look(self, url: str) -> Seen:
        """Size and version of a file before it is fetched. JobError or `Interrupted` on failure."""
        with self.open("HEAD", url) as answer:
            if answer.status_code not in _NO_HEAD:
                check_status(answer, url)
                return _seen(answer, _length(answer))
        with self.open("GET", url, {"Range": "bytes=0-0"}) as answer:
            if answer.status_code == 416:  # an empty file has no first byte
                return _seen(answer, 0)
            check_status(answer, url)
            return _seen(answer, _total(answer))

    def pieces(
        self,
        url: str,
        trace: Trace,
        *,
        offset: int = 0,
        rewind: Callable[[], None] = _nothing,
        limit: int | None = None,
        proved: bool = False,
    ) -> Iterator[bytes]:
        """The file's bytes from `offset` on; `rewind` is called if the server begins at zero again.

        `proved`: a digest of the whole is known, so that the rest may come from any copy of the file.
        """
        place, headers = url, {}
        if offset and trace.version:
            headers = {"Range": f"bytes={offset}-", "If-Range": trace.version}
            place = trace.place or url  # another mirror has other versions
        elif offset and proved:
            headers = {"Range": f"bytes={offset}-"}
        elif offset:
            rewind()  # nothing would tell if the rest were of another version of the file
            offset = 0
        with self.open("GET", place, headers) as answer:
            _check_part(answer, url, trace, offset, rewind)
            trace.version, trace.total, trace.place = _version(answer), _total(answer), str(answer.url)
            trace.used = True
            yield from _body(answer, limit)

    def part(self, url: str, first: int, last: int) -> bytes | None:
        """The bytes `first` … `last`; None if the server gives no parts."""
        with self.open("GET", url, {"Range": f"bytes={first}-{last}"}) as answer:
            if not _continues(answer, first):
                return None
            return b"".join(_body(answer, last - first + 1))

    @contextmanager
    def open(
        self, method: str, url: str, headers: dict[str, str] | None = None
    ) -> Iterator[requests.Response]:
        """The answer at the end of all redirects, each of them guarded. `answer.history` holds the others.

        JobError for what cannot be fetched, `Interrupted` for what may pass. The status is not checked.
        """
        with _named(url):
            answer = self._go(method, url, headers or {})
            try:
                yield answer
            finally:
                answer.close()

    def _go(self, method: str, url: str, headers: dict[str, str]) -> requests.Response:
        history: list[requests.Response] = []
        place = url
        while True:
            self.wire.check()
            self.wire.guard.check_url(place, shown(url))
            answer = self._session.request(
                method,
                place,
                headers=headers,
                proxies=get_environ_proxies(place),
                stream=True,
                timeout=(_CONNECT, _SILENCE),
                allow_redirects=False,
            )
            goal = answer.headers.get("Location", "")
            if answer.status_code not in _MOVED or not goal:
                answer.history = history
                return answer
            answer.close()
            history.append(answer)
            if len(history) > _REDIRECTS:
                raise requests.exceptions.TooManyRedirects
            before = place
            place = requote_uri(urljoin(place, goal.encode("latin-1", "replace").decode("utf-8", "replace")))
            if _server(place) != _server(before):  # what one server is told is not for another one
                headers = {key: value for key, value in headers.items() if key != "Authorization"}


@contextmanager
def _named(url: str) -> Iterator[None]:
    """Failures of the libraries in our words."""
    try:
        yield
    except (
        requests.exceptions.InvalidURL,
        requests.exceptions.InvalidSchema,
        requests.exceptions.MissingSchema,
    ):
        raise JobError("bad_source", f"{shown(url)} is no address that can be fetched; correct it") from None
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


def _check_part(
    answer: requests.Response, url: str, trace: Trace, offset: int, rewind: Callable[[], None]
) -> None:
    if offset and answer.status_code == 416:
        rewind()
        trace.forget()
        raise Interrupted("the file has changed on the server")
    check_status(answer, url)
    if offset and not _continues(answer, offset):
        rewind()
        if answer.status_code == 206:
            raise Interrupted("the server sent another part than was asked for")


def _server(url: str) -> str:
    """Scheme, host and port."""
    return "/".join(url.split("/", 3)[:3]).lower()


def _body(answer: requests.Response, limit: int | None) -> Iterator[bytes]:
    left = limit
    for piece in answer.raw.stream(_PIECE, decode_content=False):
        yield piece if left is None else piece[:left]
        if left is not None:
            left -= len(piece)
            if left <= 0:
                return


def check_status(answer: requests.Response, url: str) -> None:
    """Nothing for 200 and 206; JobError or `Interrupted` for what stands in the way."""
    status, where = answer.status_code, shown(url)
    if status in _GONE:
        raise JobError("not_found", f"{where} does not exist (HTTP {status}); correct the address")
    if status in {401, 403}:
        raise JobError(
            "forbidden", f"{where} may not be fetched (HTTP {status}); check address and access rights"
        )
    if status in _PASSING or status >= 500:
        raise Interrupted(f"the server answered HTTP {status}", _patience(answer))
    if status not in {200, 206}:
        raise JobError("bad_source", f"{where} cannot be fetched (HTTP {status}); correct the address")


def _patience(answer: requests.Response) -> float:
    """`Retry-After` in seconds: a number, or a date."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return 0.0


def _seen(answer: requests.Response, size: int | None) -> Seen:
    every = [*answer.history, answer]
    headers = tuple((key, value) for each in every for key, value in each.headers.items())
    ranges = answer.status_code == 206 or answer.headers.get("Accept-Ranges", "").lower() == "bytes"
    version = _version(answer)
    return Seen(Told(size, version, ranges and bool(version)), headers)


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
