"""One running upload: what the FTP library writes to, chunk by chunk."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from warehouse.ftp.refusal import DISK_FULL, Refused

SYNC_EVERY: Final = 256 << 20  # bytes; bounds what the final sync has left to do
GUARD_EVERY: Final = 16 << 20  # bytes between two looks at the free space
DRAIN_BYTES: Final = 256 << 20
DRAIN_SECONDS: Final = 10.0


class Hasher(Protocol):
    """What we need of a hashlib object."""

    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


@dataclass(frozen=True)
class Digest:
    """The hash of the first `size` bytes of a file, valid while the file is the same and untouched."""

    hasher: Hasher
    identity: tuple[int, int, int, int]

    @classmethod
    def of(cls, hasher: Hasher, facts: os.stat_result) -> Digest:
        """The digest of a file in its present state."""
        return cls(hasher, identity(facts))

    def fits(self, facts: os.stat_result) -> bool:
        """Whether the file still is what was hashed."""
        return self.identity == identity(facts)


def identity(facts: os.stat_result) -> tuple[int, int, int, int]:
    """Changes whenever a file is replaced or written to."""
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns


class Allowance(Protocol):
    """Says before each chunk whether it may be kept; raises `Refused` otherwise."""

    def grow(self, name: str, count: int) -> None:
        """`count` bytes more of this file are about to be written."""

    def check_free(self) -> None:
        """The disk must keep its reserve."""

    def done(self, name: str, digest: Digest | None) -> None:
        """The upload is over (complete or not): the file may be opened again."""


class Upload:
    """Writes one file, hashing on the way.

    A refusal in the middle is told at once, then the rest of the data is read and thrown away for a while:
    a data connection closed on a client that is still sending reaches it as a reset, not as a reason.
    """

    def __init__(self, handle: int, name: str, hasher: Hasher | None, allowance: Allowance) -> None:
        self.name = name
        self.closed = False
        self.refused = False
        self.on_refused: Callable[[Refused], None] = _nobody_listens
        self.on_drained: Callable[[], None] = lambda: None
        self._handle = handle
        self._hasher = hasher
        self._allowance = allowance
        self._until_sync = SYNC_EVERY
        self._until_guard = 0
        self._drain_left = DRAIN_BYTES
        self._drain_until = 0.0

    def write(self, chunk: bytes) -> None:
        """Take in the next bytes, or discard them after a refusal."""
        if self.refused:
            self._discard(len(chunk))
            return
        try:
            self._keep(chunk)
        except Refused as refusal:
            self._refuse(refusal)
        except OSError as error:
            self._refuse(
                Refused(DISK_FULL, f"{self.name} cannot be written: {error.strerror}; try again later")
            )

    def close(self) -> None:
        """Let go of the file; what arrived stays for a resume."""
        if self.closed:
            return
        self.closed = True
        digest = Digest.of(self._hasher, os.fstat(self._handle)) if self._hasher else None
        os.close(self._handle)
        self._allowance.done(self.name, digest)

    def _keep(self, chunk: bytes) -> None:
        count = len(chunk)
        self._until_guard -= count
        if self._until_guard <= 0:
            self._allowance.check_free()
            self._until_guard = GUARD_EVERY
        self._allowance.grow(self.name, count)
        written = os.write(self._handle, chunk)
        while written < count:  # a full disk may take a part first
            written += os.write(self._handle, chunk[written:])
        if self._hasher:
            self._hasher.update(chunk)
        self._until_sync -= count
        if self._until_sync <= 0:
            os.fdatasync(self._handle)
            self._until_sync = SYNC_EVERY

    def _refuse(self, refusal: Refused) -> None:
        # A chunk may be on the disk in part: what was hashed no longer is what is there.
        self._hasher = None
        self.refused = True
        self._drain_until = time.monotonic() + DRAIN_SECONDS
        self.close()
        self.on_refused(refusal)

    def _discard(self, count: int) -> None:
        self._drain_left -= count
        if self._drain_left <= 0 or time.monotonic() > self._drain_until:
            self.on_drained()


def start_hash() -> Hasher:
    """The hash that all files of the warehouse are named by."""
    return hashlib.sha256()


def _nobody_listens(refusal: Refused) -> None:
    raise refusal
