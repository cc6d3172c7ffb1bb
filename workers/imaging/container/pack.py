"""An image file → its container, in one pass over the image's data."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import zstandard

from workers.errors import HostError, JobError
from workers.imaging.container.format import (
    FRAME,
    MAGIC_RECORD,
    MAX_IMAGE,
    ZEROS,
    Frame,
    header_bytes,
    index_bytes,
    skippable,
    zero_digest,
)
from workers.imaging.ranges import Range
from workers.imaging.sparse import data_ranges
from workers.report import Report

LEVEL: Final = 1  # contents are mostly compressed already; higher levels cost time and win little
_AHEAD: Final = 3  # frames in flight per thread


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """What the manifest says of a container and its image. Digests in hex, sizes in bytes."""

    size: int
    sha256: str
    root: str
    image_size: int
    image_sha256: str


def pack(
    image: Path, out: Path, *, report: Report | None = None, threads: int = 2, level: int = LEVEL
) -> ContainerFacts:
    """Compress `image` into the container `out` (replaced), hashing the whole image on the way.

    Holes are not read. The same image gives the same container, whatever the threads and the
    holes. Progress counts image bytes; the caller begins the step. On failure `out` is removed.
    """
    try:
        with image.open("rb") as source, out.open("wb") as target:
            return _pack(source, target, report, threads, level)
    except BaseException as error:
        out.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise HostError(
                "disk_full", f"No room left for {out.name} in {out.parent}; free space there and try again."
            ) from error
        raise


def _pack(
    source: BinaryIO, target: BinaryIO, report: Report | None, threads: int, level: int
) -> ContainerFacts:
    size = os.fstat(source.fileno()).st_size
    if not 0 < size <= MAX_IMAGE:
        raise JobError("bad_image", f"The image has {size} bytes; an image has 1 to {MAX_IMAGE}.")
    output = _Output(target)
    output.write(header_bytes(size))
    image_hash = hashlib.sha256()
    frames: list[Frame] = []
    positions: list[int] = []
    for frame, packed, data in _packed(source.fileno(), size, threads, level):
        frames.append(frame)
        positions.append(output.position)
        output.write(skippable(MAGIC_RECORD, frame.to_bytes()))
        output.write(packed)
        image_hash.update(data)
        if report:
            report.progress(frame.offset + frame.length)
            report.check()
    output.write(index_bytes(frames, positions, output.position))
    output.sync()
    root = hashlib.sha256(b"".join(frame.to_bytes() for frame in frames)).hexdigest()
    return ContainerFacts(output.position, output.sha256, root, size, image_hash.hexdigest())


class _Output:
    """The growing container: position and digest are kept while it is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.position = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self.position += len(data)

    def sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


Packed = tuple[Frame, bytes, memoryview]  # record, zstd frame, the image's bytes


def _packed(fd: int, size: int, threads: int, level: int) -> Iterator[Packed]:
    """All frames in order, compressed by `threads` a little ahead of the consumer."""
    worker = _Compressor(fd, level)
    waiting: deque[Future[Packed]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="pack") as pool:
        try:
            for offset, hole in _offsets(size, data_ranges(fd, size)):
                length = min(FRAME, size - offset)
                waiting.append(pool.submit(worker.zeros if hole else worker.frame, offset, length))
                if len(waiting) > threads * _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _offsets(size: int, data: list[Range]) -> Iterator[tuple[int, bool]]:
    """Each frame's offset, and whether the file has a hole for all of it."""
    at = 0
    for offset in range(0, size, FRAME):
        while at < len(data) and data[at].end <= offset:
            at += 1
        yield offset, at == len(data) or data[at].offset >= offset + FRAME


class _Compressor:
    """Packs one frame; called by several threads, each with a zstd context of its own."""

    def __init__(self, fd: int, level: int) -> None:
        self._fd = fd
        self._level = level
        self._own = threading.local()
        self._zeros: dict[int, bytes] = {}

    def frame(self, offset: int, length: int) -> Packed:
        data = os.pread(self._fd, length, offset)
        if len(data) != length:
            raise HostError(
                "image_changed", f"The image shrank below byte {offset + length} while it was packed."
            )
        if data == memoryview(ZEROS)[:length]:
            return self.zeros(offset, length)
        packed = self._compress(data)
        return (
            Frame(offset, length, len(packed), False, hashlib.sha256(data).digest()),
            packed,
            memoryview(data),
        )

    def zeros(self, offset: int, length: int) -> Packed:
        data = memoryview(ZEROS)[:length]
        packed = self._zeros.get(length) or self._zeros.setdefault(length, self._compress(data))
        return Frame(offset, length, len(packed), True, zero_digest(length)), packed, data

    def _compress(self, data: bytes | memoryview) -> bytes:
        if not hasattr(self._own, "zstd"):
            self._own.zstd = zstandard.ZstdCompressor(
                level=self._level, write_checksum=True, write_content_size=True
            )
        packed: bytes = self._own.zstd.compress(data)
        return packed
