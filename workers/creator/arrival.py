"""Content on its way into a sink, with all that must be true of it proved while it passes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO, Final

from workers.creator.digest import Digest, new_digest
from workers.creator.inputs import Copier, Fetched, Sink, Tell
from workers.creator.recipe import Checksum
from workers.errors import JobError
from workers.imaging.sizes import exact

_PIECE: Final = 1 << 20


class Arrival:
    """Passes bytes on to `sink`. `size`: exactly so many; `limit`: no more; `checksum`: of the whole."""

    def __init__(
        self,
        where: str,
        sink: Sink,
        tell: Tell,
        *,
        size: int | None = None,
        limit: int | None = None,
        checksum: Checksum | None = None,
    ) -> None:
        self.where, self.size, self.checksum = where, size, checksum
        self._sink, self._tell, self._limit = sink, tell, limit
        self.done = 0
        self._start_over()

    def _start_over(self) -> None:
        self._sha256 = new_digest("sha-256")
        own = self.checksum is None or self.checksum.algo == "sha-256"
        self._other: Digest = self._sha256 if own or self.checksum is None else new_digest(self.checksum.algo)

    def rewind(self) -> None:
        """What came is void: it begins at zero again."""
        if self.done:
            self._sink.rewind()
            self._start_over()
            self.done = 0

    def write(self, data: bytes) -> None:
        """The next bytes; JobError `size_mismatch` or `too_large` at the first one too many."""
        self._check(self.done + len(data))
        self._sink.write(data)
        self._see(data)
        self._count(self.done + len(data))

    def copy(self, file: BinaryIO) -> None:
        """All of a file of this host: read, digested and written at the same time where the sink can."""
        length = os.fstat(file.fileno()).st_size
        if not isinstance(self._sink, Copier) or self._sink.size != length:
            for piece in _pieces(file):
                self.write(piece)
            return
        self._check(length)
        self._sink.copy_from(file.fileno(), sees=self._see, tell=self._count)
        self._check(length + len(os.pread(file.fileno(), 1, length)))  # it may have grown meanwhile

    def _check(self, after: int) -> None:
        if self.size is not None and after > self.size:
            raise JobError(
                "size_mismatch",
                f"{self.where} has more than the announced {self.size} bytes; correct the recipe or the file",
            )
        if self._limit is not None and after > self._limit:
            raise JobError(
                "too_large", f"{self.where} has more than {exact(self._limit)}, the limit; use a smaller file"
            )

    def _see(self, data: bytes | memoryview) -> None:
        self._sha256.update(data)
        if self._other is not self._sha256:
            self._other.update(data)

    def _count(self, after: int) -> None:
        self.done = after
        self._tell(after)

    @property
    def holds(self) -> bool:
        """Whether what came so far has the digest that it must have."""
        return self.checksum is None or self._other.hexdigest() == self.checksum.value.lower()

    def prove(self) -> Fetched:
        """Nothing more comes: JobError `size_mismatch` or `checksum_mismatch` unless it is as it must be."""
        if self.size is not None and self.done != self.size:
            raise JobError(
                "size_mismatch",
                f"{self.where} has {self.done} bytes, {self.size} were announced; "
                "correct the recipe or the file",
            )
        if not self.holds and self.checksum is not None:
            raise JobError(
                "checksum_mismatch",
                f"{self.where} has the {self.checksum.algo} {self._other.hexdigest()}, "
                f"the recipe wants {self.checksum.value}; the file or the recipe is wrong",
            )
        return Fetched(self.done, self._sha256.hexdigest())


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece
