"""An image file → its container and the digests of its mapped ranges, in one pass over the image's data."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Protocol

import zstandard

from workers.errors import HostError, JobError
from workers.imaging.bmap import Bmap
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


class Tap(Protocol):
    """Sees all bytes of the container in order while it is written: a digest, for example."""

    def update(self, data: bytes, /) -> None: ...


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
    return pack_mapped(image, out, (), report=report, threads=threads, level=level)[0]


def pack_mapped(
    image: Path,
    out: Path,
    ranges: Iterable[Range],
    *,
    taps: Sequence[Tap] = (),
    report: Report | None = None,
    threads: int = 2,
    level: int = LEVEL,
) -> tuple[ContainerFacts, Bmap]:
    """As `pack`, and the block map of `ranges` (ascending, cut on the grid) without a second pass.

    `taps` see the container's bytes in order: a torrent's `Pieces`, for example.
    """
    with _removed_on_failure(out), image.open("rb") as source, out.open("wb") as target:
        size = os.fstat(source.fileno()).st_size
        if not 0 < size <= MAX_IMAGE:
            raise JobError("bad_image", f"The image has {size} bytes; an image has 1 to {MAX_IMAGE}.")
        worker = _Worker(source.fileno(), level, ranges)
        return _pack(worker, size, _Output(target, taps), report, threads)


@contextmanager
def _removed_on_failure(out: Path) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        out.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise HostError(
                "disk_full", f"No room left for {out.name} in {out.parent}; free space there and try again."
            ) from error
        raise


def _pack(
    worker: _Worker, size: int, output: _Output, report: Report | None, threads: int
) -> tuple[ContainerFacts, Bmap]:
    """The image's digest is taken beside the writing: each of them is as slow as reading."""
    output.write(header_bytes(size))
    image_hash = hashlib.sha256()
    frames: list[Frame] = []
    positions: list[int] = []
    mapped: list[Range] = []
    with ThreadPoolExecutor(1, thread_name_prefix="digest") as lane:
        for each in _packed(worker, size, threads):
            hashing = lane.submit(image_hash.update, each.data)
            frames.append(each.frame)
            positions.append(output.position)
            mapped += each.mapped
            output.write(skippable(MAGIC_RECORD, each.frame.to_bytes()))
            output.write(each.packed)
            hashing.result()
            if report:
                report.progress(each.frame.offset + each.frame.length)
                report.check()
    output.write(index_bytes(frames, positions, output.position))
    output.sync()
    root = hashlib.sha256(b"".join(frame.to_bytes() for frame in frames)).hexdigest()
    facts = ContainerFacts(output.position, output.sha256, root, size, image_hash.hexdigest())
    return facts, Bmap(size, tuple(mapped))


class _Output:
    """The growing container: position and digest are kept while it is written."""

    def __init__(self, file: BinaryIO, taps: Sequence[Tap]) -> None:
        self._file, self._taps = file, taps
        self._hash = hashlib.sha256()
        self.position = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        for tap in self._taps:
            tap.update(data)
        self.position += len(data)

    def sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


class Packed(NamedTuple):
    """One frame: its record, its zstd frame, the image's bytes, and the mapped ranges in it."""

    frame: Frame
    packed: bytes
    data: memoryview
    mapped: list[Range]


def _packed(worker: _Worker, size: int, threads: int) -> Iterator[Packed]:
    """All frames in order, compressed by `threads` a little ahead of the consumer."""
    waiting: deque[Future[Packed]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="pack") as pool:
        try:
            for offset, hole in _offsets(size, data_ranges(worker.fd, size)):
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


class _Worker:
    """Packs one frame; called by several threads, each with a zstd context of its own."""

    def __init__(self, fd: int, level: int, ranges: Iterable[Range]) -> None:
        self.fd = fd
        self._level = level
        self._own = threading.local()
        self._zeros: dict[int, bytes] = {}
        self._ranges = {
            number: list(group) for number, group in groupby(ranges, lambda each: each.offset // FRAME)
        }

    def frame(self, offset: int, length: int) -> Packed:
        data = os.pread(self.fd, length, offset)
        if len(data) != length:
            raise HostError(
                "image_changed", f"The image shrank below byte {offset + length} while it was packed."
            )
        if data == memoryview(ZEROS)[:length]:
            return self.zeros(offset, length)
        packed = self._compress(data)
        frame = Frame(offset, length, len(packed), False, hashlib.sha256(data).digest())
        return Packed(frame, packed, memoryview(data), list(self._mapped(frame, memoryview(data))))

    def zeros(self, offset: int, length: int) -> Packed:
        data = memoryview(ZEROS)[:length]
        packed = self._zeros.get(length) or self._zeros.setdefault(length, self._compress(data))
        frame = Frame(offset, length, len(packed), True, zero_digest(length))
        return Packed(frame, packed, data, list(self._mapped(frame, data)))

    def _mapped(self, frame: Frame, data: memoryview) -> Iterator[Range]:
        """The ranges of a frame with their digests; mostly it is mapped whole, and has one already."""
        for each in self._ranges.get(frame.number, ()):
            start = each.offset - frame.offset
            if each.length == frame.length:
                digest = frame.digest
            elif frame.zero:
                digest = zero_digest(each.length)
            else:
                digest = hashlib.sha256(data[start : start + each.length]).digest()
            yield Range(each.offset, each.length, digest.hex())

    def _compress(self, data: bytes | memoryview) -> bytes:
        if not hasattr(self._own, "zstd"):
            self._own.zstd = zstandard.ZstdCompressor(
                level=self._level, write_checksum=True, write_content_size=True
            )
        packed: bytes = self._own.zstd.compress(data)
        return packed
