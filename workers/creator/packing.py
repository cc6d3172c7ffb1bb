"""Decoders for what arrives packed (xz, zstd, gzip, bzip2): piece by piece, never much at a time."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

import zstandard

MAGIC: Final = 6  # bytes that tell the kinds apart
DAMAGED: Final = (lzma.LZMAError, zstandard.ZstdError, zlib.error, OSError)
_XZ: Final = b"\xfd7zXZ\x00"
_GZ: Final = b"\x1f\x8b\x08"
_BZ: Final = b"BZh"
_ZSTD: Final = (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + n, 0x2A, 0x4D, 0x18]) for n in range(16)))
_OUT: Final = 4 << 20
_IN: Final = 1 << 16
_ZSTD_IN: Final = 4096  # a few bytes can stand for 32 768 times as many
_XZ_MEMORY: Final = 1 << 30
_ZSTD_WINDOW: Final = 1 << 27


class Decoder(Protocol):
    """Takes packed bytes, gives plain ones, at most a few MiB at a time."""

    def feed(self, data: bytes) -> Iterator[bytes]: ...
    def complete(self) -> bool:
        """Whether it may end here."""


class Raw:
    """What is not packed at all."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data

    def complete(self) -> bool:
        return True


class _Streams:
    """One or more streams of one kind after each other, zero padding between them."""

    def __init__(self) -> None:
        self._decoder: lzma.LZMADecompressor | bz2.BZ2Decompressor | None = None

    def _new(self) -> lzma.LZMADecompressor | bz2.BZ2Decompressor:
        raise NotImplementedError

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data or (self._decoder and not self._decoder.needs_input):
            if self._decoder is None:
                data = data.lstrip(b"\0")
                if not data:
                    return
                self._decoder = self._new()
            yield self._decoder.decompress(data, _OUT)
            data = b""
            if self._decoder.eof:
                data, self._decoder = self._decoder.unused_data, None

    def complete(self) -> bool:
        return self._decoder is None


class Xz(_Streams):
    def _new(self) -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


class Bzip2(_Streams):
    def _new(self) -> bz2.BZ2Decompressor:
        return bz2.BZ2Decompressor()


class Gzip:
    """One or more members, zero padding between them."""

    def __init__(self) -> None:
        self._decoder: zlib._Decompress | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._decoder is None:
                data = data.lstrip(b"\0")
                if not data:
                    return
                self._decoder = zlib.decompressobj(wbits=31)
            yield self._decoder.decompress(data, _OUT)
            data = self._decoder.unconsumed_tail
            if self._decoder.eof:
                data, self._decoder = self._decoder.unused_data, None

    def complete(self) -> bool:
        return self._decoder is None


class Zstd:
    """Any number of zstd frames, skippable ones among them."""

    def __init__(self) -> None:
        self._decoder: zstandard.ZstdDecompressionObj | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), _ZSTD_IN):
            piece = data[at : at + _ZSTD_IN]
            while piece:
                if self._decoder is None:
                    self._decoder = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
                yield self._decoder.decompress(piece)
                piece = b""
                if self._decoder.eof:
                    piece, self._decoder = self._decoder.unused_data, None

    def complete(self) -> bool:
        return self._decoder is None


def decoder_of(first: bytes) -> Decoder:
    """The decoder for what begins with these bytes."""
    if first.startswith(_XZ):
        return Xz()
    if first.startswith(_ZSTD):
        return Zstd()
    if first.startswith(_GZ):
        return Gzip()
    return Bzip2() if first.startswith(_BZ) else Raw()


def pieces_of(path: Path) -> Iterator[bytes]:
    """The bytes of a file."""
    with path.open("rb") as file:
        while piece := file.read(_IN):
            yield piece


def plain(packed: Iterator[bytes], decoder: Decoder) -> Iterator[bytes]:
    """The bytes that packed ones stand for; EOFError if they are cut short, `DAMAGED` if they are."""
    for piece in packed:
        yield from decoder.feed(piece)
    if not decoder.complete():
        raise EOFError("it is cut short")
