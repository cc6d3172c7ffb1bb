"""The private folder of one attempt, shared by all sessions of that attempt."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from warehouse.ftp.folders import entries, handle_of, names_in, open_file
from warehouse.ftp.names import PART
from warehouse.ftp.refusal import (
    BAD_NAME,
    BAD_OFFSET,
    DISK_FULL,
    NOT_ALLOWED,
    OVER_BUDGET,
    TRY_AGAIN,
    Refused,
)
from warehouse.ftp.upload import Digest, Hasher, Upload, start_hash
from workers.contract import FileFacts

BLOCK = 1 << 20


class Incoming:
    """Files that arrive: sizes so far, one writer per file, a budget over all, digests kept for resumes."""

    def __init__(self, path: Path, keep_free_percent: float) -> None:
        self.path = path
        self._keep_free_percent = keep_free_percent
        self._lock = threading.Lock()
        self._writing: set[str] = set()
        self._publishing = False
        self._digests: dict[str, Digest] = {}
        self._sizes: dict[str, int] = {}
        self._max_bytes = 0

    def store(self, name: str, offset: int, max_bytes: int) -> Upload:
        """Begin (offset 0) or resume (offset = size so far) a file. Raises `Refused`."""
        self.check_free()
        with self._lock:
            if self._publishing:
                raise Refused(TRY_AGAIN, "this attempt is being published; wait for the answer")
            if name in self._writing:
                raise Refused(TRY_AGAIN, f"{name} is being written by another connection; try again later")
            handle, hasher = self._open(name, offset)
            self._sizes = {found: facts.st_size for found, facts in entries(self.path).items()}
            self._max_bytes = max_bytes
            self._writing.add(name)
        return Upload(handle, name, hasher, self)

    def grow(self, name: str, count: int) -> None:
        """Allow `count` more bytes of `name`, or raise `Refused` when the ticket's limit is reached."""
        with self._lock:
            if sum(self._sizes.values()) + count > self._max_bytes:
                raise Refused(
                    OVER_BUDGET, f"{name} exceeds the {self._max_bytes} bytes that this ticket allows"
                )
            self._sizes[name] = self._sizes.get(name, 0) + count

    def check_free(self) -> None:
        """Raise `Refused` when the disk is down to its reserve."""
        root = self.path.parent
        usage = shutil.disk_usage(root)
        if usage.free * 100 < usage.total * self._keep_free_percent:
            raise Refused(
                DISK_FULL,
                f"the warehouse keeps {self._keep_free_percent:g} % of its disk free; try again later",
            )

    def done(self, name: str, digest: Digest | None) -> None:
        """An upload ended."""
        with self._lock:
            self._writing.discard(name)
            self._digests.pop(name, None)
            if digest:
                self._digests[name] = digest

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Keep writers out. Raises `Refused` while one is at work."""
        with self._lock:
            if self._publishing:
                raise Refused(TRY_AGAIN, "this attempt is being published by another connection")
            if self._writing:
                raise Refused(TRY_AGAIN, f"{min(self._writing)} is still being written")
            self._publishing = True
        try:
            yield
        finally:
            with self._lock:
                self._publishing = False

    def verify(self, files: list[FileFacts], check: Callable[[], None]) -> None:
        """Compare size and SHA-256 of every file with what the attempt says. Raises `Refused`."""
        found = entries(self.path)
        extra = sorted(set(found) - {facts["name"] for facts in files})
        if extra:
            raise Refused(NOT_ALLOWED, f"{extra[0]} was uploaded but is not in the list")
        for facts in files:
            here = found.get(facts["name"])
            size = here.st_size if here else 0
            if here is None or size != facts["size"]:
                raise Refused(
                    NOT_ALLOWED, f"{facts['name']} has {size} of {facts['size']} bytes; send the rest"
                )
            if self._sha256(facts["name"], check) != facts["sha256"]:
                self._drop(facts["name"])
                raise Refused(
                    NOT_ALLOWED,
                    f"{facts['name']} arrived with another SHA-256; it was dropped, send it again",
                )

    def seal(self) -> None:
        """Give every file its final name, durably."""
        with handle_of(self.path) as at:
            for entry in names_in(at):
                handle = open_file(entry, os.O_RDONLY, at=at)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
                if entry.endswith(PART):
                    os.rename(entry, entry.removesuffix(PART), src_dir_fd=at, dst_dir_fd=at)
            os.fsync(at)

    def _open(self, name: str, offset: int) -> tuple[int, Hasher | None]:
        self.path.mkdir(exist_ok=True)
        with handle_of(self.path) as at:
            if name in names_in(at):
                raise Refused(BAD_NAME, f"{name} is complete and sealed; publish it")
            handle = open_file(name + PART, os.O_WRONLY | os.O_CREAT, at=at)
        try:
            return handle, self._position(handle, name, offset)
        except (OSError, Refused):
            os.close(handle)
            raise

    def _position(self, handle: int, name: str, offset: int) -> Hasher | None:
        facts = os.fstat(handle)
        if offset == 0:
            os.ftruncate(handle, 0)
            return start_hash()
        if offset != facts.st_size:
            raise Refused(BAD_OFFSET, f"{name} has {facts.st_size} bytes: resume there, not at {offset}")
        os.lseek(handle, offset, os.SEEK_SET)
        known = self._digests.get(name)
        return known.hasher if known and known.fits(facts) else None

    def _sha256(self, name: str, check: Callable[[], None]) -> str:
        with handle_of(self.path) as at:
            stored = name if name in names_in(at) else name + PART
            handle = open_file(stored, os.O_RDONLY, at=at)
        with open(handle, "rb", buffering=0) as file:
            facts = os.fstat(handle)
            known = self._digests.get(name)
            if known is None or not known.fits(facts):
                known = Digest.of(_hash(file.read, check), facts)
                self._digests[name] = known
        return known.hasher.hexdigest()

    def _drop(self, name: str) -> None:
        self._digests.pop(name, None)
        with handle_of(self.path) as at:
            os.unlink(name if name in names_in(at) else name + PART, dir_fd=at)


def _hash(read: Callable[[int], bytes | None], check: Callable[[], None]) -> Hasher:
    hasher = start_hash()
    while block := read(BLOCK):
        check()
        hasher.update(block)
    return hasher
