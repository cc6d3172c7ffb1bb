"""An archive elsewhere: asked once, when its address is named, for what it is and how much room it takes."""

from __future__ import annotations

import io
import re
import time
from contextlib import closing
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit

import urllib3
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from orders import public_net, validators
from orders.archives import FIRST, TAIL, unpacked_bytes

TIMEOUT: Final = urllib3.Timeout(connect=3, read=5, total=8)
MAX_REDIRECTS: Final = 3
PATIENCE: Final = 10.0  # seconds for a body: each piece of it may come within the time-out, and all too late
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_TOTAL: Final = re.compile(r"bytes \d+-\d+/(\d{1,18})")


@dataclass(frozen=True)
class Found:
    """What the server told. `size` is the archive's, `unpacked` that of its files, where it can be known."""

    size: int
    unpacked: int


def look(url: str) -> Found:
    """Ask for the archive's index, or ValidationError with a sentence. Never asks inside of our networks."""
    validators.preload_url(url)
    size, head, last = _part(url, "bytes=0-3", 4)
    if not head.startswith(FIRST):
        raise _refused(_("There is no ZIP archive at this address: the file begins otherwise."))
    if not size:
        raise _refused(
            _("The server does not tell how large the archive is (Content-Length). Use another server.")
        )
    total, tail, _last = _part(last, f"bytes=-{min(TAIL, size)}", TAIL)
    whole = tail[:4] in FIRST and len(tail) < size  # the server knows no ranges: this is its beginning
    if whole or total != size:
        return Found(size, size)
    return Found(size, unpacked_bytes(io.BytesIO(tail), size))


def _part(url: str, wanted: str, most: int) -> tuple[int, bytes, str]:
    """The file's size (0: not told), at most `most` bytes of it, and where it was found in the end."""
    for _hop in range(MAX_REDIRECTS + 1):
        with closing(_ask(url, wanted)) as answer:
            if answer.status in _REDIRECTS:
                url = _elsewhere(url, answer.headers.get("Location", ""))
                continue
            if answer.status not in {200, 206}:
                raise _refused(
                    _("The server answers %(status)s instead of the archive. Correct the address.")
                    % {"status": answer.status}
                )
            try:
                return _size(answer), _read(answer, most), url
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise _silent(url) from error
    raise _refused(_("The address leads from one to the next, and to no archive. Give the last one."))


def _elsewhere(url: str, place: str) -> str:
    try:
        found = urljoin(url, place)
    except ValueError as error:
        raise _silent(url) from error
    validators.preload_url(found)
    return found


def _read(answer: urllib3.BaseHTTPResponse, most: int) -> bytes:
    """At most `most` bytes. OSError when they take too long."""
    end, found = time.monotonic() + PATIENCE, b""
    while len(found) < most and (piece := answer.read1(most - len(found), decode_content=False)):
        found += piece
        if time.monotonic() > end:
            raise TimeoutError
    return found


def _ask(url: str, wanted: str) -> urllib3.BaseHTTPResponse:
    """Ask that very server whose address was found to be public: its name is not looked up again."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        address = public_net.address_of(host, port)
        pool = _pool(parts.scheme, address, host, port)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Host": parts.netloc, "Range": wanted, "Accept-Encoding": "identity"}
        return pool.request(
            "GET",
            target,
            headers=headers,
            timeout=TIMEOUT,
            retries=False,
            redirect=False,
            preload_content=False,
        )
    except public_net.NotPublic as error:
        raise _refused(
            _("%(host)s is no public server, so it is not asked. Use a public one, or upload the archive.")
            % {"host": host}
        ) from error
    except public_net.Unknown as error:
        raise _refused(_("There is no server “%(host)s”. Correct the address.") % {"host": host}) from error
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise _silent(url) from error


def _pool(scheme: str, address: str, host: str, port: int) -> urllib3.HTTPConnectionPool:
    if scheme == "http":
        return urllib3.HTTPConnectionPool(address, port)
    return urllib3.HTTPSConnectionPool(
        address, port, cert_reqs="CERT_REQUIRED", server_hostname=host, assert_hostname=host
    )


def _size(answer: urllib3.BaseHTTPResponse) -> int:
    total = _TOTAL.fullmatch(answer.headers.get("Content-Range", ""))
    told = total[1] if total else answer.headers.get("Content-Length", "") if answer.status == 200 else ""
    return int(told) if told.isascii() and told.isdigit() and len(told) < 19 else 0


def _silent(url: str) -> ValidationError:
    return _refused(
        _("%(host)s does not answer in time, or breaks off. Try again later, or upload the archive.")
        % {"host": urlsplit(url).hostname}
    )


def _refused(sentence: str) -> ValidationError:
    return ValidationError(sentence, "preload_url")
