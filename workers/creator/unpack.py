"""Turns an image that arrives as raw, as .xz, .zst, .gz or .bz2 into a sparse file, piece by piece."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from workers.creator.packing import DAMAGED, MAGIC, Decoder, Raw, decoder_of
from workers.errors import JobError

_BLOCK: Final = 1 << 16
_ZEROS: Final = bytes(_BLOCK)


class SparseFile:
    """A new file that is written in order; blocks of zeros become holes."""

    def __init__(self, path: Path, *, limit: int) -> None:
        self._limit = limit
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        self.size = 0

    def rewind(self) -> None:
        os.ftruncate(self._fd, 0)
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        if self.size + len(rest) > self._limit:
            raise JobError(
                "too_large", f"the base image unpacks to more than {self._limit} bytes; use a smaller one"
            )
        while rest:
            piece = rest[: _BLOCK - self.size % _BLOCK]
            if not _ZEROS.startswith(piece):  # bytes compare fast, views do not
                os.pwrite(self._fd, piece, self.size)
            self.size += len(piece)
            rest = rest[len(piece) :]

    def close(self) -> None:
        """Give the file its full length, holes at the end included."""
        try:
            os.ftruncate(self._fd, self.size)
        finally:
            os.close(self._fd)


class Unpacker:
    """A sink for what arrives; what it holds is told by its first bytes, not by its name."""

    def __init__(self, out: SparseFile, name: str, check: Callable[[], None]) -> None:
        self._out, self._name, self._check = out, name, check
        self._start()

    def _start(self) -> None:
        self._first = b""
        self._decoder: Decoder | None = None

    def rewind(self) -> None:
        self._out.rewind()
        self._start()

    def write(self, data: bytes | memoryview) -> None:
        piece = bytes(data)
        if self._decoder is None:
            self._first += piece
            if len(self._first) < MAGIC:
                return
            piece, self._first = self._first, b""
            self._decoder = decoder_of(piece)
        pieces = self._decoder.feed(piece)
        while True:
            try:
                plain = next(pieces, None)
            except DAMAGED as error:
                raise JobError("bad_base", f"{self._name} is damaged: {error}; fetch it anew") from error
            if plain is None:
                return
            self._check()  # a little that arrives can be gigabytes of zeros
            self._out.write(plain)

    def finish(self) -> None:
        """Nothing more comes: what arrived must be complete."""
        if self._decoder is None or not self._decoder.complete():
            raise JobError("bad_base", f"{self._name} is cut short; fetch it anew")


def is_packed(path: Path) -> bool:
    """Whether a file needs unpacking."""
    with path.open("rb") as file:
        return not isinstance(decoder_of(file.read(MAGIC)), Raw)
