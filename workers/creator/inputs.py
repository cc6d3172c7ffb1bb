"""What a build is made of, and the doors between those who bring it.

`Input` names a source, `Told` what its server says of it, `Sink` where its bytes go. A `Store` (the cache)
and `Images` (container registries) are written against these; the build joins them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from workers.creator.recipe import Checksum, OciImage


class What(StrEnum):
    """Which part of a recipe asks for an input."""

    BASE = "base"
    FILE = "files"
    IMAGE = "oci_images"


@dataclass(frozen=True)
class Told:
    """What a server says of a file before it is fetched; `version` is a strong ETag, else Last-Modified.

    `resumable`: a transfer that is cut can go on where it was. `proved`: servers tell its digest.
    """

    size: int | None = None
    version: str = ""
    resumable: bool = False
    proved: bool = False


@dataclass(frozen=True)
class Input:
    """One thing to fetch: `source` is its URL, or the name of a container image. `checksum` is a digest."""

    what: What
    source: str
    checksum: Checksum | None = None
    told: Told = Told()


@dataclass(frozen=True)
class Fetched:
    """What arrived."""

    size: int
    sha256: str


class Sink(Protocol):
    """Where content goes. It comes in order; after `rewind` from the beginning again."""

    def write(self, data: bytes | memoryview, /) -> None: ...
    def rewind(self) -> None: ...


@runtime_checkable
class Copier(Protocol):
    """A sink of exactly `size` bytes that takes an open file by itself, beside the digests."""

    size: int

    def shares(self, fd: int) -> bool:
        """Whether it can take blocks of that open file as they are, without a second copy on the disk."""

    def copy_from(
        self, fd: int, *, sees: Callable[[memoryview], object] | None, tell: Callable[[int], None]
    ) -> None: ...


Tell = Callable[[int], None]  # how many bytes of this one input have arrived; raises `Canceled`


class Kept(Protocol):
    """A file of the store, pinned. Nobody but the store writes to it."""

    @property
    def path(self) -> Path: ...
    @property
    def size(self) -> int: ...

    def prove(self, sha256: str) -> None:
        """Say the digest of all that was read. If that is another one: dropped, HostError `cache_damaged`."""


class Store(Protocol):
    """Content that several builds share. Safe under parallel calls of threads and processes."""

    def get(self, wanted: Input, fetch: Callable[[Path], Fetched]) -> AbstractContextManager[Kept | None]:
        """A file with the wanted content, proved and pinned until the context ends.

        One that is missing or outdated is made by `fetch(path)`, which fills a new file, proves it and tells
        size and digest of that file. None: the policy keeps nothing of this kind, or there is no room for it;
        the caller fetches it to where it belongs.
        """

    def make_room(self, needed: int) -> None:
        """Give up what may go, so that `needed` bytes are free and stay so, as far as that is possible."""


class Images(Protocol):
    """Container images as tars that `docker load` takes, for linux/arm64."""

    def look(self, image: OciImage) -> Told:
        """Does it exist? `size` is that of the tar, None if only the pull tells; `version` its digest."""

    def pour(self, image: OciImage, sink: Sink, tell: Tell) -> Fetched:
        """The tar, proved while it arrives; always the same bytes for the same digest."""
