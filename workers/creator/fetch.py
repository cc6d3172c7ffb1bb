"""Brings content from the network (or a local path, where allowed) into a sink, checked while it arrives."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar
from urllib.parse import unquote, urlsplit

from workers.backoff import Backoff
from workers.creator.digest import Digest, new_digest
from workers.creator.http import Http, Interrupted, shown
from workers.creator.recipe import Checksum, check_digest
from workers.errors import HostError, JobError
from workers.report import Report

_PIECE: Final = 1 << 20
_TRIES: Final = 8  # failures in a row without a new byte
_NAP: Final = 0.2  # how long a cancel may go unnoticed while waiting
_PAGE: Final = 65536
_LONGEST_WAIT: Final = 300.0

T = TypeVar("T")


class Sink(Protocol):
    """Where content goes. It comes in order; after `rewind` from the beginning again."""

    def write(self, data: bytes | memoryview, /) -> None: ...
    def rewind(self) -> None: ...


@dataclass(frozen=True)
class Fetched:
    """What arrived."""

    size: int
    sha256: str


@dataclass
class _Arriving:
    """The sink with all that must be true of what it got."""

    where: str
    sink: Sink
    algo: str
    size: int | None
    tell: Callable[[int], None]

    def __post_init__(self) -> None:
        self.done = 0
        self._start_over()

    def _start_over(self) -> None:
        self.sha256 = new_digest("sha-256")
        self.other: Digest = self.sha256 if self.algo == "sha-256" else new_digest(self.algo)

    def rewind(self) -> None:
        if self.done:
            self.sink.rewind()
            self._start_over()
            self.done = 0

    def write(self, data: bytes) -> None:
        if self.size is not None and self.done + len(data) > self.size:
            raise JobError(
                "size_mismatch",
                f"{self.where} has more than the announced {self.size} bytes; correct the recipe or the file",
            )
        self.sink.write(data)
        self.sha256.update(data)
        if self.other is not self.sha256:
            self.other.update(data)
        self.done += len(data)
        self.tell(self.done)


class Fetcher:
    """One build's way to its sources. Plain paths and `file://` only with `allow_local`."""

    def __init__(self, report: Report, *, allow_local: bool = False, backoff: Backoff | None = None) -> None:
        self._report, self._allow_local = report, allow_local
        self._backoff = backoff or Backoff()
        self._http = Http()

    def close(self) -> None:
        self._http.close()

    def size(self, source: str) -> int | None:
        """Bytes of a source before it is fetched; None if its server does not tell."""
        path = self.local_path(source)
        if path is not None:
            return _local_size(path)
        return self._patiently(source, lambda: self._http.size(source))

    def fetch(
        self,
        source: str,
        sink: Sink,
        *,
        size: int | None = None,
        checksum: Checksum | None = None,
        done_before: int = 0,
    ) -> Fetched:
        """All of `source` into `sink`. Progress is reported as `done_before` + bytes.

        JobError: `not_found`, `forbidden`, `bad_source`, `size_mismatch`, `checksum_mismatch`.
        HostError `download_failed` when the network stays broken.
        """
        checksum = self.resolve(checksum)
        algo = checksum.algo if checksum else "sha-256"
        arriving = self._arriving(shown(source), sink, algo, size, done_before)
        path = self.local_path(source)
        if path is not None:
            for piece in _local_pieces(path):
                arriving.write(piece)
        else:
            self._download(source, arriving)
        _prove(arriving, checksum)
        return Fetched(arriving.done, arriving.sha256.hexdigest())

    def copy(self, place: Path, sink: Sink, *, size: int, done_before: int = 0) -> Fetched:
        """A file that was fetched before into its sink."""
        arriving = self._arriving(place.name, sink, "sha-256", size, done_before)
        for piece in _local_pieces(place):
            arriving.write(piece)
        _prove(arriving, None)
        return Fetched(arriving.done, arriving.sha256.hexdigest())

    def local_path(self, source: str) -> Path | None:
        """The path of a local source, None for a URL; JobError `bad_source` for what may not be used."""
        try:
            parts = urlsplit(source)
        except ValueError:
            raise JobError("bad_source", f"{shown(source)} stands in the recipe; correct its host") from None
        if parts.scheme in {"http", "https"}:
            if not parts.hostname:
                raise JobError("bad_source", f"{shown(source)} names no server; correct the address")
            return None
        if not self._allow_local or parts.scheme not in {"", "file"} or parts.netloc not in {"", "localhost"}:
            raise JobError(
                "bad_source",
                f"{shown(source)} cannot be fetched; give an address that begins with https:// or http://",
            )
        return Path(unquote(parts.path) if parts.scheme else source).expanduser()

    def resolve(self, checksum: Checksum | None) -> Checksum | None:
        """The checksum with its digest at hand: one that is a URL is looked up."""
        if checksum is None or checksum.kind == "digest":
            return checksum
        where = checksum.value
        page = self._patiently(where, lambda: b"".join(self._http.pieces(where, limit=_PAGE)))
        words = page.decode("utf-8", "replace").split()
        try:
            digest = check_digest(checksum.algo, words[0] if words else "")
        except ValueError as error:
            raise JobError("bad_checksum", f"{shown(where)} does not begin with a digest: {error}") from None
        return Checksum(algo=checksum.algo, value=digest)

    def _download(self, source: str, arriving: _Arriving) -> None:
        def attempt() -> None:
            for piece in self._http.pieces(source, offset=arriving.done, rewind=arriving.rewind):
                arriving.write(piece)
            told = self._http.total(source)
            if arriving.size is not None and arriving.done < arriving.size and arriving.done != told:
                raise Interrupted("the transfer ended early")

        self._patiently(source, attempt, lambda: arriving.done)

    def _patiently(self, source: str, attempt: Callable[[], T], done: Callable[[], int] = lambda: 0) -> T:
        """`attempt` until it ends; gives up after several failures in a row that brought nothing new."""
        delays, failures, best = self._backoff.delays(), 0, done()
        while True:
            try:
                return attempt()
            except Interrupted as trouble:
                if done() > best:
                    delays, failures, best = self._backoff.delays(), 0, done()
                failures += 1
                where = shown(source)
                if failures >= _TRIES:
                    raise HostError(
                        "download_failed",
                        f"{where} could not be fetched in {_TRIES} tries: {trouble.reason}; "
                        "check this host's network and that server, then try again",
                    ) from None
                self._report.log(f"{where}: {trouble.reason}; trying again ({done()} bytes so far)")
                self._wait(max(next(delays), min(trouble.wait, _LONGEST_WAIT)))

    def _arriving(self, where: str, sink: Sink, algo: str, size: int | None, before: int) -> _Arriving:
        def tell(done: int) -> None:
            self._report.progress(before + done)
            self._report.check()

        return _Arriving(where, sink, algo, size, tell)

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._report.check()
            time.sleep(min(left, _NAP))


def _prove(arriving: _Arriving, checksum: Checksum | None) -> None:
    if arriving.size is not None and arriving.done != arriving.size:
        raise JobError(
            "size_mismatch",
            f"{arriving.where} has {arriving.done} bytes, {arriving.size} were announced; "
            "correct the recipe or the file",
        )
    found = arriving.other.hexdigest()
    if checksum is not None and found != checksum.value.lower():
        raise JobError(
            "checksum_mismatch",
            f"{arriving.where} has the {checksum.algo} {found}, the recipe wants {checksum.value}; "
            "the file or the recipe is wrong",
        )


def _local_size(path: Path) -> int:
    with _named(path):
        if not path.is_file():
            raise JobError("not_found", f"there is no file {path}; correct the path")
        return path.stat().st_size


def _local_pieces(path: Path) -> Iterator[bytes]:
    with _named(path), path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors about a local path in words."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise JobError("not_found", f"there is no file {path}; correct the path") from error
    except PermissionError as error:
        raise JobError("forbidden", f"{path} may not be read; change its permissions") from error
