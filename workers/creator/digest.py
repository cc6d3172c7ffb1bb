"""The checksums that recipes may name, computed while bytes arrive."""

from __future__ import annotations

import hashlib
import zlib
from typing import Protocol


class Digest(Protocol):
    """What `hashlib` offers, as far as we use it."""

    def update(self, data: bytes | memoryview, /) -> None: ...
    def hexdigest(self) -> str: ...


class Adler32:
    """zlib's checksum with the face of a hash."""

    def __init__(self) -> None:
        self._value = 1

    def update(self, data: bytes | memoryview, /) -> None:
        self._value = zlib.adler32(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


def new_digest(algo: str) -> Digest:
    """A fresh one by the recipe's name for it: `sha-256`, `md5`, `adler32`."""
    if algo == "adler32":
        return Adler32()
    return hashlib.new(algo.replace("-", ""), usedforsecurity=False)
