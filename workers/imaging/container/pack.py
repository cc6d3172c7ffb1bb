"""An image file → its container and the digests of its mapped ranges, in one pass over the image's data."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from workers.errors import HostError, JobError
from workers.imaging.bmap import Bmap
from workers.imaging.container.format import (
    FRAME,
    MAGIC_RECORD,
    MAX_IMAGE,
    Frame,
    header_bytes,
    index_bytes,
    skippable,
)
from workers.imaging.container.frames import Packed, packed_frames
from workers.imaging.container.lane import Lane
from workers.imaging.direct import DirectReader
from workers.imaging.image_writer import ImageWriter
from workers.imaging.ranges import Range
from workers.report import Report

LEVEL: Final = 1  # contents are mostly compressed already; higher levels cost time and win little
THREADS: Final = max(2, os.cpu_count() or 1) + 1  # one of them is waiting for the disk


class Tap(Protocol):
    """Sees all bytes of the container in order while it is written: a digest, for example."""

    def update(self, data: bytes | memoryview, /) -> None: ...


class _How(NamedTuple):
    level: int
    threads: int


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """What the manifest says of a container and its image. Digests in hex, sizes in bytes."""

    size: int
    sha256: str
    root: str
    image_size: int
    image_sha256: str


def pack(
    image: Path, out: Path, *, report: Report | None = None, threads: int = THREADS, level: int = LEVEL
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
    threads: int = THREADS,
    level: int = LEVEL,
) -> tuple[ContainerFacts, Bmap]:
    """As `pack`, and the block map of `ranges` (ascending, cut on the grid) without a second pass.

    `taps` see the container's bytes in order: a torrent's `Pieces`, for example.
    """
    with _removed_on_failure(out), DirectReader.open(image, most=FRAME) as source:
        if not 0 < source.size <= MAX_IMAGE:
            raise JobError("bad_image", f"The image has {source.size} bytes; an image has 1 to {MAX_IMAGE}.")
        out.open("wb").close()
        output = _Output(out, taps)
        try:
            return _pack(source, ranges, output, report, _How(level, threads))
        finally:
            output.abandon()


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
    image: DirectReader, ranges: Iterable[Range], output: _Output, report: Report | None, how: _How
) -> tuple[ContainerFacts, Bmap]:
    """The image's digest and the container's are taken beside the packing: each is as slow as reading."""
    output.write(header_bytes(image.size))
    image_hash = hashlib.sha256()
    frames: list[Frame] = []
    positions: list[int] = []
    mapped: list[Range] = []
    with Lane("digest") as lane:
        for each in packed_frames(image, ranges, level=how.level, threads=how.threads):
            lane.submit(partial(_digest, image_hash, each))
            frames.append(each.frame)
            positions.append(output.position)
            mapped += each.mapped
            output.write(skippable(MAGIC_RECORD, each.frame.to_bytes()) + each.packed)
            if report:
                report.progress(each.frame.offset + each.frame.length)
                report.check()
        lane.finish()
    output.write(index_bytes(frames, positions, output.position))
    digest = output.close()
    root = hashlib.sha256(b"".join(frame.to_bytes() for frame in frames)).hexdigest()
    facts = ContainerFacts(output.position, digest, root, image.size, image_hash.hexdigest())
    return facts, Bmap(image.size, tuple(mapped))


def _digest(image_hash: Tap, each: Packed) -> None:
    image_hash.update(each.data)
    each.release()


class _Output:
    """The growing container: its position is known at once, digest and disk follow in other threads."""

    def __init__(self, out: Path, taps: Sequence[Tap]) -> None:
        self._writer = ImageWriter(out)
        self._hash = hashlib.sha256()
        self._lanes = [(Lane("container"), self._hash.update), *((Lane("tap"), tap.update) for tap in taps)]
        self.position = 0

    def write(self, data: bytes) -> None:
        for lane, update in self._lanes:
            lane.submit(partial(update, data))
        self._writer.write(self.position, data)
        self.position += len(data)

    def close(self) -> str:
        """Everything is on the disk and digested; the digest."""
        for lane, _ in self._lanes:
            lane.finish()
        self._writer.close()
        return self._hash.hexdigest()

    def abandon(self) -> None:
        """Give up what is open, after an error or `close`."""
        for lane, _ in self._lanes:
            lane.close()
        self._writer.abandon()
