"""The container's bytes: header, records, index, and how one frame is opened and proved."""

from __future__ import annotations

import functools
import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import zstandard

from workers.errors import JobError
from workers.imaging.ranges import GRID

FRAME: Final = GRID
MAGIC_HEADER: Final = 0x184D2A50
MAGIC_RECORD: Final = 0x184D2A51
MAGIC_INDEX: Final = 0x184D2A52
SKIP: Final = struct.Struct("<II")
RECORD_SIZE: Final = 49
ENTRY_SIZE: Final = 8 + RECORD_SIZE
DIGEST_SIZE: Final = 32
FOOTER: Final = struct.Struct("<Q8s")
FOOTER_MAGIC: Final = b"IMGRIDX1"
BEFORE_DATA: Final = SKIP.size + RECORD_SIZE  # from a record's position to its zstd frame
MAX_HEADER: Final = 4096
MAX_PACKED: Final = FRAME + FRAME // 128 + 1024  # no honest frame of 4 MiB packs to more
MAX_IMAGE: Final = 4 * 1024**4

ZEROS: Final = bytes(FRAME)

_RECORD: Final = struct.Struct("<QIIB32s")
_POSITION: Final = struct.Struct("<Q")
_FORMAT: Final = "imager-zst"
_VERSION: Final = 1


def bad(what: str) -> JobError:
    """The container is damaged or forged; the message says where."""
    return JobError("bad_image", f"The image container is damaged: {what}. Fetch or build it again.")


@functools.lru_cache(maxsize=8)
def zero_digest(length: int) -> bytes:
    """SHA-256 of `length` zeros."""
    return hashlib.sha256(memoryview(ZEROS)[:length]).digest()


@dataclass(frozen=True, slots=True)
class Frame:
    """One record: where its 4 MiB lie in the image, how long they are packed, their SHA-256."""

    offset: int
    length: int
    packed: int
    zero: bool
    digest: bytes

    @property
    def number(self) -> int:
        return self.offset // FRAME

    @property
    def sha256(self) -> str:
        return self.digest.hex()

    def to_bytes(self) -> bytes:
        return _RECORD.pack(self.offset, self.length, self.packed, int(self.zero), self.digest)

    @classmethod
    def from_bytes(cls, data: bytes, number: int, size: int) -> Frame:
        """The record that must be the `number`-th of an image of `size` bytes."""
        offset, length, packed, kind, digest = _RECORD.unpack(data)
        if offset != number * FRAME or length != min(FRAME, size - offset) or length <= 0:
            raise bad(f"record {number} does not describe the frame at byte {number * FRAME} of the image")
        if kind not in {0, 1} or not 0 < packed <= MAX_PACKED:
            raise bad(f"record {number} is of an unknown kind or length")
        return cls(offset, length, packed, bool(kind), digest)


def frame_count(size: int) -> int:
    """Frames of an image of `size` bytes."""
    return -(-size // FRAME)


def skippable(magic: int, payload: bytes) -> bytes:
    """A zstd skippable frame."""
    return SKIP.pack(magic, len(payload)) + payload


def header_bytes(size: int) -> bytes:
    """The container's first frame."""
    head = {"format": _FORMAT, "version": _VERSION, "size": size, "frame": FRAME}
    return skippable(MAGIC_HEADER, json.dumps(head).encode())


def header_length(start: bytes) -> int:
    """Length of the whole header frame whose first 8 bytes these are."""
    magic, length = SKIP.unpack(start)
    if magic != MAGIC_HEADER or length > MAX_HEADER:
        raise JobError(
            "not_a_container",
            "This is no image container; give NAME.img.zst as the builder made it, or the plain .img.",
        )
    return SKIP.size + int(length)


def image_size(header: bytes) -> int:
    """The image's size out of a header's JSON."""
    try:
        head: Any = json.loads(header)
    except ValueError as error:
        raise bad("its header is not JSON") from error
    if not isinstance(head, dict) or head.get("format") != _FORMAT:
        raise bad("its header does not name the format")
    if head.get("version") != _VERSION or head.get("frame") != FRAME:
        raise JobError(
            "container_version",
            f"The image container has version {head.get('version')!r}, this program reads {_VERSION}; "
            "update the program.",
        )
    size = head.get("size")
    if type(size) is not int or not 0 < size <= MAX_IMAGE:
        raise bad(f"its header claims an image of {size!r} bytes")
    return size


def index_length(size: int) -> int:
    """Length of the index frame's payload."""
    return frame_count(size) * ENTRY_SIZE + DIGEST_SIZE + FOOTER.size


def index_bytes(frames: Sequence[Frame], positions: Sequence[int], index_position: int) -> bytes:
    """The container's last frame."""
    root = hashlib.sha256()
    parts: list[bytes] = []
    for frame, position in zip(frames, positions, strict=True):
        record = frame.to_bytes()
        root.update(record)
        parts += [_POSITION.pack(position), record]
    footer = FOOTER.pack(index_position, FOOTER_MAGIC)
    return skippable(MAGIC_INDEX, b"".join([*parts, root.digest(), footer]))


def parse_index(payload: bytes, size: int, header_end: int) -> tuple[list[Frame], list[int], bytes]:
    """Frames, their records' positions and the root, all proved to fit together."""
    if len(payload) != index_length(size):
        raise bad("its index has the wrong length")
    frames: list[Frame] = []
    positions: list[int] = []
    root = hashlib.sha256()
    expected = header_end
    for number in range(frame_count(size)):
        at = number * ENTRY_SIZE
        record = payload[at + 8 : at + ENTRY_SIZE]
        frame = Frame.from_bytes(record, number, size)
        if _POSITION.unpack_from(payload, at)[0] != expected:
            raise bad(f"its index misplaces frame {number}")
        frames.append(frame)
        positions.append(expected)
        root.update(record)
        expected += BEFORE_DATA + frame.packed
    tail = payload[frame_count(size) * ENTRY_SIZE :]
    if tail[DIGEST_SIZE:] != FOOTER.pack(expected, FOOTER_MAGIC):
        raise bad("its footer does not lead to its index")
    if tail[:DIGEST_SIZE] != root.digest():
        raise bad("its root does not match its records")
    return frames, positions, root.digest()


class Opener:
    """Decompresses frames and proves each against its record. For one thread."""

    def __init__(self) -> None:
        self._zstd = zstandard.ZstdDecompressor()
        self._known_zeros: dict[int, bytes] = {}

    def open(self, frame: Frame, packed: bytes) -> memoryview:
        """The frame's bytes; JobError `bad_image` if they are not what the record says."""
        if frame.zero and self._known_zeros.get(frame.length) == packed:
            return self._zeros(frame)
        data = self._decompress(frame, packed)
        if hashlib.sha256(data).digest() != frame.digest:
            raise bad(f"frame {frame.number} does not have its SHA-256")
        if frame.zero:
            if not ZEROS.startswith(data):
                raise bad(f"frame {frame.number} is marked as zeros but holds data")
            self._known_zeros[frame.length] = packed
        return memoryview(data)

    def _zeros(self, frame: Frame) -> memoryview:
        if frame.digest != zero_digest(frame.length):
            raise bad(f"frame {frame.number} does not have its SHA-256")
        return memoryview(ZEROS)[: frame.length]

    def _decompress(self, frame: Frame, packed: bytes) -> bytes:
        try:
            if zstandard.frame_content_size(packed) != frame.length:
                raise bad(f"frame {frame.number} claims another length than its record")
            return self._zstd.decompress(packed, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise bad(f"frame {frame.number} cannot be decompressed") from error
