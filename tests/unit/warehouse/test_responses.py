"""Downloads in ranges, as RFC 9110 has them."""

from __future__ import annotations

import io
import tracemalloc
from typing import Any

import pytest
from django.http import HttpResponseBase
from django.test import RequestFactory

from warehouse.responses import BLOCK, ranged

CONTENT = bytes(range(256)) * 40  # 10 240 bytes, no two neighbours alike
SIZE = len(CONTENT)
ETAG = "ab" * 32


def answer(
    method: str = "GET", content: bytes = CONTENT, **headers: str
) -> tuple[HttpResponseBase, io.BytesIO]:
    file = io.BytesIO(content)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = RequestFactory().generic(method, "/", headers=named)
    return ranged(request, file, name="x.img.zst", size=len(content), etag=ETAG), file


def body_of(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def test_the_whole_file() -> None:
    response, _ = answer()
    assert response.status_code == 200
    assert body_of(response) == CONTENT
    assert response["Content-Length"] == str(SIZE)
    assert response["Accept-Ranges"] == "bytes"
    assert response["ETag"] == f'"{ETAG}"'
    assert response["Content-Disposition"] == 'attachment; filename="x.img.zst"'
    assert response["Content-Type"] == "application/octet-stream"
    assert not response.has_header("Content-Range")


@pytest.mark.parametrize(
    ("wanted", "begin", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, SIZE),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
        ("bytes=-1", SIZE - 1, SIZE),
        ("bytes=-100", SIZE - 100, SIZE),
        (f"bytes=-{SIZE * 5}", 0, SIZE),
        (f"bytes=10-{SIZE * 5}", 10, SIZE),
        ("Bytes = 5 - 9 ", 5, 10),
        ("bytes=0-9999999999999999999", 0, SIZE),
    ],
)
def test_a_part(wanted: str, begin: int, end: int) -> None:
    response, _ = answer(Range=wanted)
    assert response.status_code == 206
    assert response["Content-Range"] == f"bytes {begin}-{end - 1}/{SIZE}"
    assert response["Content-Length"] == str(end - begin)
    assert body_of(response) == CONTENT[begin:end]


@pytest.mark.parametrize(
    "wanted", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=-0", "bytes=99999999-"]
)
def test_a_part_that_is_not_there(wanted: str) -> None:
    response, file = answer(Range=wanted)
    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{SIZE}"
    assert file.closed


@pytest.mark.parametrize(
    "wanted",
    [
        "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-4", "items=0-5", "bytes=0-1,3-4", "bytes=--5",
        "bytes=1-2-3", "bytes=٠-٥", "bytes=0x1-0x5", "bytes=" + "9" * 5000 + "-",
    ],
)  # fmt: skip
def test_what_is_no_single_range_gets_the_whole_file(wanted: str) -> None:
    response, _ = answer(Range=wanted)
    assert response.status_code == 200
    assert body_of(response) == CONTENT


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        (f'"{ETAG}"', 206),
        ('"another"', 200),
        (f'W/"{ETAG}"', 200),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 200),
        ("", 200),
    ],
)
def test_if_range(condition: str, status: int) -> None:
    response, _ = answer(Range="bytes=1-2", If_Range=condition)
    assert response.status_code == status
    assert body_of(response) == (CONTENT[1:3] if status == 206 else CONTENT)


def test_head_says_the_same_without_a_body() -> None:
    response, file = answer("HEAD", Range="bytes=0-9")
    assert response.status_code == 200, "ranges are for GET"
    assert response["Content-Length"] == str(SIZE)
    assert response["Accept-Ranges"] == "bytes"
    assert body_of(response) == b""
    assert file.closed


def test_a_copy_that_is_current_is_not_sent_again() -> None:
    response, file = answer(If_None_Match=f'"{ETAG}"')
    assert (response.status_code, body_of(response)) == (304, b"")
    assert response["ETag"] == f'"{ETAG}"'
    assert file.closed


def test_a_part_of_another_copy_is_refused() -> None:
    response, file = answer(If_Match='"another"', Range="bytes=0-1")
    assert response.status_code == 412
    assert file.closed


def test_an_empty_file() -> None:
    assert body_of(answer(content=b"")[0]) == b""
    assert answer(content=b"", Range="bytes=0-")[0].status_code == 416
    assert answer(content=b"", Range="bytes=-5")[0].status_code == 416


def test_a_name_for_every_system() -> None:
    request = RequestFactory().get("/")
    response = ranged(request, io.BytesIO(b"x"), name='école "1"\r\nX: y.img', size=1, etag="e")
    assert "filename*=utf-8''%C3%A9cole" in response["Content-Disposition"]
    assert "\n" not in response["Content-Disposition"]


def test_the_file_is_closed_even_when_nobody_reads() -> None:
    response, file = answer()
    assert not file.closed
    response.close()
    assert file.closed


def test_a_file_that_ends_too_early_breaks_the_download() -> None:
    request = RequestFactory().get("/")
    response: Any = ranged(request, io.BytesIO(b"short"), name="x", size=100, etag="e")
    with pytest.raises(OSError, match="95 bytes too early"):
        body_of(response)


class Zeros(io.RawIOBase):
    """A big file that takes no room."""

    def __init__(self, size: int) -> None:
        self.position, self.size, self.largest = 0, size, 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        assert whence == io.SEEK_SET
        self.position = offset
        return offset

    def read(self, size: int = -1) -> bytes:
        self.largest = max(self.largest, size)
        count = min(size, self.size - self.position)
        self.position += count
        return bytes(count)


def test_memory_stays_constant() -> None:
    file: Any = Zeros(256 * BLOCK)
    response: Any = ranged(RequestFactory().get("/"), file, name="x", size=file.size, etag="e")
    tracemalloc.start()
    try:
        received = sum(len(block) for block in response.streaming_content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert received == file.size
    assert file.largest == BLOCK
    assert peak < 8 * BLOCK
