"""A layer on its way: proved against the image's configuration while it passes, unpacked only if need be.

`docker load` takes layers as they are in the registry if they are plain or gzip; older versions know no zstd.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from typing import Final, Protocol

import zstandard

from workers.creator.oci.manifest import Blob
from workers.errors import JobError

_OUT: Final = 1 << 20
_ZSTD_IN: Final = 4096  # a few bytes can stand for 32 768 times as many


class _Unpack(Protocol):
    def feed(self, data: bytes, take: Callable[[bytes], object]) -> None: ...
    def complete(self) -> bool: ...


class _Plain:
    def feed(self, data: bytes, take: Callable[[bytes], object]) -> None:
        take(data)

    def complete(self) -> bool:
        return True


class _Gzip:
    """One or more gzip members, zero padding behind them."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)
        self._fresh = True
        self._any = False

    def feed(self, data: bytes, take: Callable[[bytes], object]) -> None:
        while data:
            if self._fresh and self._any:
                data = data.lstrip(b"\0")
                if not data:
                    return
            self._fresh, self._any = False, True
            take(self._stream.decompress(data, _OUT))
            data = self._stream.unconsumed_tail
            if self._stream.eof:
                data = self._stream.unused_data
                self._stream, self._fresh = zlib.decompressobj(wbits=31), True

    def complete(self) -> bool:
        return self._fresh and self._any


class _Zstd:
    def __init__(self) -> None:
        self._stream: zstandard.ZstdDecompressionObj | None = None

    def feed(self, data: bytes, take: Callable[[bytes], object]) -> None:
        for at in range(0, len(data), _ZSTD_IN):
            piece = data[at : at + _ZSTD_IN]
            while piece:
                self._stream = self._stream or zstandard.ZstdDecompressor().decompressobj()
                take(self._stream.decompress(piece))
                piece = b""
                if self._stream.eof:
                    piece, self._stream = self._stream.unused_data, None

    def complete(self) -> bool:
        return self._stream is None


class Layer:
    """Takes a layer's bytes as the registry sends them; knows at the end whether it is the right one."""

    def __init__(
        self, blob: Blob, diff_id: str, limit: int, take: Callable[[bytes], object] | None = None
    ) -> None:
        """`take` gets what is unpacked; `limit`: bytes of that."""
        kinds: dict[str, Callable[[], _Unpack]] = {"tar": _Plain, "gzip": _Gzip, "zstd": _Zstd}
        self._blob, self._diff_id, self._limit, self._take = blob, diff_id, limit, take
        self._unpack = kinds[blob.packing]()
        self._digest, self.unpacked = hashlib.sha256(), 0

    def feed(self, data: bytes) -> None:
        try:
            self._unpack.feed(data, self._got)
        except (zlib.error, zstandard.ZstdError) as error:
            raise self._damaged(f"it cannot be unpacked ({error})") from None

    def prove(self) -> None:
        """Nothing more comes: JobError `bad_image` unless it is whole and the one that was promised."""
        if not self._unpack.complete():
            raise self._damaged("it is cut short")
        if f"sha256:{self._digest.hexdigest()}" != self._diff_id:
            raise self._damaged("unpacked, it is not what the image's configuration promises")

    def _got(self, data: bytes) -> None:
        self.unpacked += len(data)
        if self.unpacked > self._limit:
            raise JobError(
                "too_large", f"a container image's layer unpacks to more than {self._limit} bytes, the limit"
            )
        self._digest.update(data)
        if self._take is not None:
            self._take(data)

    def _damaged(self, problem: str) -> JobError:
        return JobError("bad_image", f"the layer {self._blob.digest}: {problem}; push the image anew")
