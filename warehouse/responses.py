"""Serving a file in ranges (RFC 9110), in blocks, in constant memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import BinaryIO

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header

BLOCK = 1024 * 1024

# One range. Lists of ranges may be ignored (RFC 9110, 14.2), and so is what nobody can mean: 20 digits.
_RANGE = re.compile(r"\s*bytes\s*=\s*([0-9]{0,19})\s*-\s*([0-9]{0,19})\s*", re.IGNORECASE)


class Unsatisfiable(Exception):
    """The range begins behind the end of the file."""


def ranged(request: HttpRequest, file: BinaryIO, *, name: str, size: int, etag: str) -> HttpResponseBase:
    """`file` (seekable; closed with the response) as the download `name`: 200, 206, 304, 412 or 416.

    `size` is in bytes; `etag` is a strong validator without quotes, like the file's SHA-256.
    """
    etag = f'"{etag}"'
    answer = get_conditional_response(request, etag=etag)
    if answer is not None:
        file.close()
        return _described(answer, etag)
    try:
        part = _part(request, etag, size)
    except Unsatisfiable:
        file.close()
        refusal = HttpResponse(status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        refusal["Content-Range"] = f"bytes */{size}"
        return _described(refusal, etag)
    response = _body(request, file, part or (0, size))
    if part:
        response.status_code = HTTPStatus.PARTIAL_CONTENT
        response["Content-Range"] = f"bytes {part[0]}-{part[1] - 1}/{size}"
    response["Content-Disposition"] = (
        content_disposition_header(as_attachment=True, filename=name) or "attachment"
    )
    return _described(response, etag)


def _part(request: HttpRequest, etag: str, size: int) -> tuple[int, int] | None:
    """Begin and end (exclusive) of the range that is asked for, or None for the whole file."""
    wanted = _RANGE.fullmatch(request.headers.get("Range", ""))
    if request.method != "GET" or wanted is None or request.headers.get("If-Range", etag) != etag:
        return None
    first, last = wanted.groups()
    if not first and not last:
        return None
    if not first:
        begin, end = max(0, size - int(last)), size
    else:
        begin, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < begin:
            return None
    if begin >= end:
        raise Unsatisfiable
    return begin, end


def _body(request: HttpRequest, file: BinaryIO, part: tuple[int, int]) -> HttpResponseBase:
    response: HttpResponseBase
    if request.method == "HEAD":
        file.close()
        response = HttpResponse(content_type="application/octet-stream")
    else:
        response = StreamingHttpResponse(_Blocks(file, *part), content_type="application/octet-stream")
    response["Content-Length"] = str(part[1] - part[0])
    return response


def _described(response: HttpResponseBase, etag: str) -> HttpResponseBase:
    response["ETag"] = etag
    response["Accept-Ranges"] = "bytes"
    response["Cache-Control"] = "private, no-transform"
    return response


class _Blocks:
    """The bytes from `begin` to `end` in blocks. Closes the file even when nobody ever asked for a block."""

    def __init__(self, file: BinaryIO, begin: int, end: int) -> None:
        self._file = file
        self._left = end - begin
        file.seek(begin)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self._left:
            raise StopIteration
        block = self._file.read(min(BLOCK, self._left))
        if not block:  # better a broken connection than a short file that looks whole
            raise OSError(f"the file ended {self._left} bytes too early")
        self._left -= len(block)
        return block

    def close(self) -> None:
        """Called by Django when the response is done or given up."""
        self._file.close()
