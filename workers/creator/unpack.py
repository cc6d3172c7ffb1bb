"""Turns an image that arrives as .img, .img.xz or .img.zst into a sparse file, piece by piece."""

from __future__ import annotations

import lzma
import os
from pathlib import Path
from typing import Final, Protocol

import zstandard

from workers.errors import JobError

_XZ: Final = b"\xfd7zXZ\x00"
_ZSTD: Final = (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + n, 0x2A, 0x4D, 0x18]) for n in range(16)))
_MAGIC: Final = 6  # bytes that tell the kinds apart
_OUT: Final = 4 << 20
_ZSTD_IN: Final = 4096  # a few bytes can stand for 32 768 times as many
_XZ_MEMORY: Final = 1 << 30
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
            if piece != _ZEROS[: len(piece)]:
                os.pwrite(self._fd, piece, self.size)
            self.size += len(piece)
            rest = rest[len(piece) :]

    def close(self) -> None:
        """Give the file its full length, holes at the end included."""
        try:
            os.ftruncate(self._fd, self.size)
        finally:
            os.close(self._fd)


class _Decoder(Protocol):
    def feed(self, data: bytes, out: SparseFile) -> None: ...
    def complete(self) -> bool: ...


class _Raw:
    def feed(self, data: bytes, out: SparseFile) -> None:
        out.write(data)

    def complete(self) -> bool:
        return True


class _Xz:
    """One or more xz streams, zero padding between them."""

    def __init__(self) -> None:
        self._decoder: lzma.LZMADecompressor | None = None

    def feed(self, data: bytes, out: SparseFile) -> None:
        while data or (self._decoder and not self._decoder.needs_input):
            if self._decoder is None:
                data = data.lstrip(b"\0")
                if not data:
                    return
                self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
            out.write(self._decoder.decompress(data, _OUT))
            data = b""
            if self._decoder.eof:
                data, self._decoder = self._decoder.unused_data, None

    def complete(self) -> bool:
        return self._decoder is None


class _Zstd:
    """Any number of zstd frames, skippable ones among them."""

    def __init__(self) -> None:
        self._decoder: zstandard.ZstdDecompressionObj | None = None

    def feed(self, data: bytes, out: SparseFile) -> None:
        for at in range(0, len(data), _ZSTD_IN):
            piece = data[at : at + _ZSTD_IN]
            while piece:
                self._decoder = self._decoder or zstandard.ZstdDecompressor().decompressobj()
                out.write(self._decoder.decompress(piece))
                piece = b""
                if self._decoder.eof:
                    piece, self._decoder = self._decoder.unused_data, None

    def complete(self) -> bool:
        return self._decoder is None


class Unpacker:
    """A sink for what arrives; what it holds is told by its first bytes, not by its name."""

    def __init__(self, out: SparseFile, name: str) -> None:
        self._out, self._name = out, name
        self._start()

    def _start(self) -> None:
        self._first = b""
        self._decoder: _Decoder | None = None

    def rewind(self) -> None:
        self._out.rewind()
        self._start()

    def write(self, data: bytes | memoryview) -> None:
        piece = bytes(data)
        if self._decoder is None:
            self._first += piece
            if len(self._first) < _MAGIC:
                return
            piece, self._first = self._first, b""
            self._decoder = _decoder_of(piece)
        try:
            self._decoder.feed(piece, self._out)
        except (lzma.LZMAError, zstandard.ZstdError) as error:
            raise JobError("bad_base", f"{self._name} is damaged: {error}; fetch it anew") from error

    def finish(self) -> None:
        """Nothing more comes: what arrived must be complete."""
        if self._decoder is None or not self._decoder.complete():
            raise JobError("bad_base", f"{self._name} is cut short; fetch it anew")


def is_packed(path: Path) -> bool:
    """Whether a file needs unpacking."""
    with path.open("rb") as file:
        return not isinstance(_decoder_of(file.read(_MAGIC)), _Raw)


def _decoder_of(first: bytes) -> _Decoder:
    if first.startswith(_XZ):
        return _Xz()
    return _Zstd() if first.startswith(_ZSTD) else _Raw()
