"""Reading a complete container at any place."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from workers.errors import JobError
from workers.imaging.container.format import (
    BEFORE_DATA,
    FOOTER,
    FOOTER_MAGIC,
    FRAME,
    MAGIC_INDEX,
    SKIP,
    Frame,
    Opener,
    bad,
    header_length,
    image_size,
    index_length,
    parse_index,
)


class Reader:
    """A container by its index; each frame is proved when it is read. For one thread.

    `size` is the image's size, `root` the digest over all records, in hex, which whoever trusts
    a manifest compares with it. JobError `bad_image`, `not_a_container` or `image_missing`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise JobError("image_missing", f"There is no image {path}; check the name.") from error
        try:
            self._load()
        except BaseException:
            os.close(self._fd)
            raise
        self._opener = Opener()
        self._last: tuple[int, memoryview] | None = None

    def _load(self) -> None:
        start = os.pread(self._fd, SKIP.size, 0)
        if len(start) < SKIP.size:
            raise bad(f"{self.path.name} is cut")
        header_end = header_length(start)
        self.size = image_size(os.pread(self._fd, header_end - SKIP.size, SKIP.size))
        payload = os.pread(self._fd, index_length(self.size), self._index_at() + SKIP.size)
        self.frames, self._positions, root = parse_index(payload, self.size, header_end)
        self.root = root.hex()

    def _index_at(self) -> int:
        length = SKIP.size + index_length(self.size)
        at = os.fstat(self._fd).st_size - length
        tail = os.pread(self._fd, FOOTER.size, max(0, at + length - FOOTER.size))
        if at < 0 or tail != FOOTER.pack(at, FOOTER_MAGIC):
            raise bad(f"{self.path.name} does not end with its index, so it is cut or continued")
        if os.pread(self._fd, SKIP.size, at) != SKIP.pack(MAGIC_INDEX, length - SKIP.size):
            raise bad(f"the index of {self.path.name} does not begin where its footer says")
        return at

    def frame(self, number: int) -> memoryview:
        """The image's bytes of frame `number`, proved. The last one is kept, so that asking again is free."""
        if self._last and self._last[0] == number:
            return self._last[1]
        frame = self.frames[number]
        packed = os.pread(self._fd, frame.packed, self._positions[number] + BEFORE_DATA)
        data = self._opener.open(frame, packed)
        self._last = (number, data)
        return data

    def frame_of(self, offset: int) -> Frame:
        """The record of the frame that holds this byte of the image."""
        return self.frames[offset // FRAME]

    def pread(self, length: int, offset: int) -> bytes:
        """Bytes of the image, as `os.pread` would give them of the plain image."""
        parts: list[memoryview] = []
        end = min(offset + length, self.size)
        while offset < end:
            number, skip = divmod(offset, FRAME)
            part = self.frame(number)[skip : skip + end - offset]
            parts.append(part)
            offset += len(part)
        return b"".join(parts)

    def close(self) -> None:
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
