"""A registry's API as pulling needs it: tokens, pages by digest, blobs that go on where they were cut."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlencode

import requests

from workers.creator.fetch import Fetcher
from workers.creator.http import Interrupted, check_status
from workers.creator.oci.manifest import ACCEPT, MOST, Blob, digest_of
from workers.creator.oci.reference import Reference
from workers.errors import JobError

_PIECE: Final = 1 << 20
_TOKEN_MOST: Final = 1 << 18
_CHALLENGE: Final = re.compile(r'(\w+)="([^"]*)"')
_REFUSED: Final = {401, 403}


class Registry:
    """The repositories that one build pulls from, for several threads. Everything is proved by its digest."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._tokens: dict[str, str] = {}

    def manifest(self, name: Reference, wanted: str) -> bytes:
        """An index or a manifest by tag or digest; JobError `not_found`, `forbidden`, `checksum_mismatch`."""
        page = self._page(name, f"{name.url}/manifests/{wanted}", {"Accept": ACCEPT})
        if wanted.startswith("sha256:") and digest_of(page) != wanted:
            raise mismatch(f"the manifest of {name}", digest_of(page), wanted)
        return page

    def page(self, name: Reference, blob: Blob) -> bytes:
        """A small blob, whole."""
        if blob.size > MOST:
            raise JobError(
                "bad_image", f"{name} has a configuration of {blob.size} bytes; {MOST} is the limit"
            )
        parts: list[bytes] = []
        self.blob(name, blob, parts.append)
        return b"".join(parts)

    def blob(self, name: Reference, blob: Blob, *takers: Callable[[bytes], object]) -> None:
        """A blob's bytes in order. What was cut is gone on with: a blob never changes under its digest."""
        coming = _Coming(name, blob, takers)
        url = f"{name.url}/blobs/{blob.digest}"

        def attempt() -> None:
            for piece in self._pieces(name, url, coming.done):
                coming.add(piece)
            coming.check_complete()

        self._fetcher.patiently(url, attempt, lambda: coming.done)
        coming.prove()

    def _page(self, name: Reference, url: str, headers: dict[str, str]) -> bytes:
        def attempt() -> bytes:
            with self._open(name, url, headers) as answer:
                return _limited(answer, MOST, f"the manifest of {name}")

        return self._fetcher.patiently(url, attempt)

    def _pieces(self, name: Reference, url: str, offset: int) -> Iterator[bytes]:
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        with self._open(name, url, headers) as answer:
            skip = 0
            if offset and answer.status_code == 200:
                skip = offset  # no parts here: what is known already passes by
            elif offset and not answer.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
                raise Interrupted("the registry sent another part than was asked for")
            for piece in answer.raw.stream(_PIECE, decode_content=False):
                self._fetcher.check()
                yield piece[skip:]
                skip = max(0, skip - len(piece))

    @contextmanager
    def _open(self, name: Reference, url: str, headers: dict[str, str]) -> Iterator[requests.Response]:
        """The answer, with a token if the registry wants one."""
        http = self._fetcher.http
        for last in (False, True):
            token = self._tokens.get(name.url)
            auth = {"Authorization": f"Bearer {token}"} if token else {}
            with http.open("GET", url, {**headers, **auth}) as answer:
                if answer.status_code == 401 and not last:
                    challenge = answer.headers.get("WWW-Authenticate", "")
                else:
                    _check(answer, url, name)
                    yield answer
                    return
            self._tokens[name.url] = self._token(name, challenge)

    def _token(self, name: Reference, challenge: str) -> str:
        """An anonymous token for reading: that is what public images ask for."""
        kind, _, rest = challenge.partition(" ")
        told = dict(_CHALLENGE.findall(rest))
        realm = told.get("realm", "")
        if kind.lower() != "bearer" or not realm:
            raise _forbidden(name, 401)
        asked = {"service": told.get("service", ""), "scope": f"repository:{name.repository}:pull"}
        query = urlencode({key: value for key, value in asked.items() if value})
        with self._fetcher.http.open("GET", f"{realm}{'&' if '?' in realm else '?'}{query}") as answer:
            _check(answer, realm, name)
            page = _limited(answer, _TOKEN_MOST, f"the token for {name}")
        try:
            data = json.loads(page)
            token = data.get("token") or data.get("access_token")
        except (ValueError, AttributeError):
            token = None
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise JobError("forbidden", f"the registry of {name} gives no token; check whether it is public")
        return token


class _Coming:
    """A blob on its way to those who take it."""

    def __init__(self, name: Reference, blob: Blob, takers: Sequence[Callable[[bytes], object]]) -> None:
        self._where, self._blob, self._takers = f"a blob of {name}", blob, takers
        self._digest, self.done = hashlib.sha256(), 0

    def add(self, piece: bytes) -> None:
        if self.done + len(piece) > self._blob.size:
            raise mismatch(self._where, f"more than {self._blob.size} bytes", self._blob.digest)
        self._digest.update(piece)
        for take in self._takers:
            take(piece)
        self.done += len(piece)

    def check_complete(self) -> None:
        if self.done < self._blob.size:
            raise Interrupted("the transfer ended early")

    def prove(self) -> None:
        if self._digest.hexdigest() != self._blob.hex:
            raise mismatch(self._where, f"sha256:{self._digest.hexdigest()}", self._blob.digest)


def mismatch(what: str, found: str, wanted: str) -> JobError:
    """The registry's fault, found before anything was built with it."""
    return JobError(
        "checksum_mismatch", f"{what} has {found}, {wanted} was announced; the registry's copy is damaged"
    )


def _check(answer: requests.Response, url: str, name: Reference) -> None:
    if answer.status_code == 404:
        raise JobError("not_found", f"there is no container image {name} (HTTP 404); correct its name or tag")
    if answer.status_code in _REFUSED:
        raise _forbidden(name, answer.status_code)
    check_status(answer, url)


def _forbidden(name: Reference, status: int) -> JobError:
    return JobError(
        "forbidden",
        f"the container image {name} may not be pulled (HTTP {status}): it does not exist or is not public; "
        "correct its name, or give the `url` of its tar",
    )


def _limited(answer: requests.Response, most: int, what: str) -> bytes:
    page = b""
    for piece in answer.raw.stream(_PIECE, decode_content=True):
        page += piece
        if len(page) > most:
            raise JobError("bad_image", f"{what} has more than {most} bytes; this is no image to pull")
    return page
