"""Block maps (bmap 2.0): which ranges of an image must be on a card, each with its SHA-256.

Any bmaptool reads ours; we read its (`bmaptool create`, SHA-256).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from workers.errors import JobError
from workers.imaging.ranges import BLOCK, Range, total

_MAX_SIZE: Final = 256 * 1024 * 1024
_PIECE: Final = 1024 * 1024
_NO_SUM: Final = b"0" * 64
_SUM: Final = re.compile(rb"(<BmapFileChecksum>\s*)([0-9a-fA-F]{64})(\s*</BmapFileChecksum>)")
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_SPAN: Final = re.compile(r"(\d{1,15})(?:-(\d{1,15}))?", re.ASCII)
_HEAD: Final = """\
<?xml version="1.0" ?>
<!-- Block map: the ranges of an image that must be copied to a card. For bmaptool and compatible writers. -->
<bmap version="2.0">
    <ImageSize>{size}</ImageSize>
    <BlockSize>{block}</BlockSize>
    <BlocksCount>{blocks}</BlocksCount>
    <MappedBlocksCount>{mapped}</MappedBlocksCount>
    <ChecksumType>sha256</ChecksumType>
    <BmapFileChecksum>{checksum}</BmapFileChecksum>
    <BlockMap>
"""


@dataclass(frozen=True, slots=True)
class Bmap:
    """An image's size and its mapped ranges: ascending, disjoint, on blocks of 4096 bytes, with digests."""

    image_size: int
    ranges: tuple[Range, ...]

    @property
    def mapped_bytes(self) -> int:
        return total(self.ranges)


def make(image: Path, ranges: Iterable[Range], *, threads: int = 2) -> Bmap:
    """The block map of an image file: hashes each of the ranges (which must be on whole blocks)."""
    with image.open("rb") as file, ThreadPoolExecutor(threads, thread_name_prefix="bmap") as pool:
        fd = file.fileno()
        size = os.fstat(fd).st_size
        return Bmap(size, tuple(pool.map(lambda each: hashed(fd, each), ranges)))


def hashed(fd: int, wanted: Range) -> Range:
    """The range with the digest of what the image holds there now."""
    digest = hashlib.sha256()
    at = wanted.offset
    while at < wanted.end:
        piece = os.pread(fd, min(_PIECE, wanted.end - at), at)
        if not piece:
            raise JobError("bad_image", f"The image ends at byte {at}, inside a mapped range; make it again.")
        digest.update(piece)
        at += len(piece)
    return Range(wanted.offset, wanted.length, digest.hexdigest())


def dumps(bmap: Bmap) -> bytes:
    """The map as XML, its own checksum included. The same map gives the same bytes."""
    if any(each.sha256 is None for each in bmap.ranges):
        raise ValueError("every range of a block map needs its digest")
    head = _HEAD.format(
        size=bmap.image_size,
        block=BLOCK,
        blocks=_blocks(bmap.image_size),
        mapped=sum(_blocks(each.length) for each in bmap.ranges),
        checksum=_NO_SUM.decode(),
    )
    rows = [f'        <Range chksum="{each.sha256}"> {_span(each)} </Range>\n' for each in bmap.ranges]
    text = "".join([head, *rows, "    </BlockMap>\n</bmap>\n"]).encode()
    return text.replace(_NO_SUM, hashlib.sha256(text).hexdigest().encode(), 1)


def loads(data: bytes) -> Bmap:
    """A map out of its XML; JobError `bad_bmap` unless its checksum and all its numbers hold."""
    if len(data) > _MAX_SIZE:
        raise _bad(f"it is larger than {_MAX_SIZE} bytes")
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise _bad("it defines XML entities")
    _check_sum(data)
    try:
        root = ET.fromstring(data)  # noqa: S314 - entities are refused above
    except ET.ParseError as error:
        raise _bad(f"it is no XML ({error})") from error
    if root.tag != "bmap" or root.get("version") != "2.0" or _text(root, "ChecksumType") != "sha256":
        raise _bad("it is not of version 2.0 with SHA-256; make one with bmaptool create")
    size = _number(root, "ImageSize")
    if _number(root, "BlockSize") != BLOCK or _number(root, "BlocksCount") != _blocks(size):
        raise _bad(f"its block size is not {BLOCK}, or its count of blocks does not fit the image")
    ranges = tuple(_ranges(root, size))
    if sum(_blocks(each.length) for each in ranges) != _number(root, "MappedBlocksCount"):
        raise _bad("its ranges do not add up to its count of mapped blocks")
    return Bmap(size, ranges)


def load(path: Path) -> Bmap:
    """The map in a file; JobError `bmap_missing` if there is none."""
    try:
        return loads(path.read_bytes())
    except FileNotFoundError as error:
        raise JobError("bmap_missing", f"There is no block map {path}; check the name.") from error


def _ranges(root: ET.Element, size: int) -> Iterable[Range]:
    taken = 0
    for row in root.iterfind("BlockMap/Range"):
        match = _SPAN.fullmatch((row.text or "").strip())
        digest = (row.get("chksum") or "").lower()
        if not match or not _HEX.fullmatch(digest):
            raise _bad(f"a range is unreadable: {row.text!r}")
        first, last = int(match[1]), int(match[2] or match[1])
        if not taken <= first <= last < _blocks(size):
            raise _bad(f"the range {match[0]} is out of order or beyond the image")
        taken = last + 1
        yield Range(first * BLOCK, min(taken * BLOCK, size) - first * BLOCK, digest)


def _check_sum(data: bytes) -> None:
    found = _SUM.search(data)
    if not found:
        raise _bad("it has no checksum of its own")
    blank = data[: found.start(2)] + _NO_SUM + data[found.end(2) :]
    if hashlib.sha256(blank).hexdigest() != found[2].decode().lower():
        raise _bad("its checksum does not match")


def _text(root: ET.Element, name: str) -> str:
    return (root.findtext(name) or "").strip()


def _number(root: ET.Element, name: str) -> int:
    text = _text(root, name)
    if not _SPAN.fullmatch(text) or "-" in text:
        raise _bad(f"{name} is {text!r}, not a number")
    return int(text)


def _blocks(size: int) -> int:
    return -(-size // BLOCK)


def _span(each: Range) -> str:
    first, last = each.offset // BLOCK, (each.end - 1) // BLOCK
    return f"{first}-{last}" if last > first else f"{first}"


def _bad(what: str) -> JobError:
    return JobError("bad_bmap", f"The block map is damaged or foreign: {what}.")
