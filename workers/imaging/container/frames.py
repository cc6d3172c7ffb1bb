"""An image's frames, compressed and digested by several threads a little ahead of who takes them."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from typing import Final, NamedTuple

import zstandard

from workers.imaging.container.format import FRAME, ZEROS, Frame, zero_digest
from workers.imaging.direct import DirectReader
from workers.imaging.ranges import Range
from workers.imaging.sparse import data_ranges

_AHEAD: Final = 3  # frames in flight per thread


class Packed(NamedTuple):
    """One frame: its record, its zstd frame, the image's bytes, and the mapped ranges in it.

    `release` once `data` is not needed any more: its memory is for the next frame.
    """

    frame: Frame
    packed: bytes
    data: memoryview
    mapped: list[Range]
    release: Callable[[], None]


def packed_frames(
    image: DirectReader, ranges: Iterable[Range], *, level: int, threads: int
) -> Iterator[Packed]:
    """All frames in order; `ranges` are ascending and cut on the grid."""
    worker = _Worker(image, level, ranges)
    waiting: deque[Future[Packed]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="pack") as pool:
        try:
            for offset, hole in offsets(image.size, data_ranges(image.fd, image.size)):
                length = min(FRAME, image.size - offset)
                waiting.append(pool.submit(worker.zeros if hole else worker.frame, offset, length))
                if len(waiting) > threads * _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def offsets(size: int, data: list[Range]) -> Iterator[tuple[int, bool]]:
    """Each frame's offset, and whether the file has a hole for all of it."""
    at = 0
    for offset in range(0, size, FRAME):
        while at < len(data) and data[at].end <= offset:
            at += 1
        yield offset, at == len(data) or data[at].offset >= offset + FRAME


class _Worker:
    """Packs one frame; called by several threads, each with a zstd context of its own."""

    def __init__(self, image: DirectReader, level: int, ranges: Iterable[Range]) -> None:
        self._image = image
        self._level = level
        self._own = threading.local()
        self._zeros: dict[int, bytes] = {}
        self._ranges = {
            number: list(group) for number, group in groupby(ranges, lambda each: each.offset // FRAME)
        }

    def frame(self, offset: int, length: int) -> Packed:
        buffer = self._image.read(offset, length)
        data = buffer.view
        if ZEROS.startswith(data):  # compares as fast as memory is; views among themselves do not
            buffer.release()
            return self.zeros(offset, length)
        packed = self._compress(data)
        frame = Frame(offset, length, len(packed), False, hashlib.sha256(data).digest())
        return Packed(frame, packed, data, list(self._mapped(frame, data)), buffer.release)

    def zeros(self, offset: int, length: int) -> Packed:
        data = memoryview(ZEROS)[:length]
        packed = self._zeros.get(length) or self._zeros.setdefault(length, self._compress(data))
        frame = Frame(offset, length, len(packed), True, zero_digest(length))
        return Packed(frame, packed, data, list(self._mapped(frame, data)), lambda: None)

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

    def _compress(self, data: memoryview) -> bytes:
        if not hasattr(self._own, "zstd"):
            self._own.zstd = zstandard.ZstdCompressor(
                level=self._level, write_checksum=True, write_content_size=True
            )
        packed: bytes = self._own.zstd.compress(data)
        return packed
