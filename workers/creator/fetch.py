"""Brings content from the network (or a local path, where allowed) into a sink, checked while it arrives."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import unquote, urlsplit

from workers.backoff import Backoff
from workers.creator.arrival import Arrival
from workers.creator.http import Http, Interrupted, Seen, Trace, shown
from workers.creator.inputs import Fetched, Sink, Tell, Told
from workers.creator.mirrors import (
    MAX_METALINK,
    SUFFIXES,
    BadMetalink,
    Places,
    described_by,
    read_metalink,
    told_by,
)
from workers.creator.recipe import Checksum, check_digest
from workers.creator.route import TRIES, Patience, Route
from workers.creator.rules import TERMINAL, Rules
from workers.errors import HostError, JobError
from workers.report import Report

_NAP: Final = 0.2  # how long a cancel may go unnoticed while waiting
_PAGE: Final = 65536

T = TypeVar("T")


class Fetcher:
    """One build's way to its sources, for several threads. Paths and `file://` only where the rules allow."""

    def __init__(
        self,
        report: Report,
        *,
        rules: Rules | None = None,
        allow_local: bool = False,
        backoff: Backoff | None = None,
    ) -> None:
        self.rules = rules or (TERMINAL if allow_local else Rules())
        self.http = Http(self.rules.guard())
        self._report = report
        self._backoff = backoff or Backoff()
        self._routes: dict[str, Route] = {}

    def close(self) -> None:
        self.http.close()

    def cut(self) -> None:
        """End all transfers at once, in all threads."""
        self.http.cut()

    def go_on(self) -> None:
        """Transfers may begin again after a cut; nothing may be running any more."""
        self.http.wire.renew()

    def check(self) -> None:
        """Raise `Canceled` if somebody asked to stop, or the build has ended otherwise."""
        self._report.check()
        self.http.wire.check()

    def look(self, source: str) -> Told:
        """Size and version of a source before it is fetched, as far as they are told."""
        path = self.local_path(source)
        if path is not None:
            return Told(_local_size(path), resumable=True)
        seen = self.patiently(source, lambda: self.http.look(source))
        route = self._route(source, seen)
        self._routes[source] = route
        proved = route.checksum is not None
        return Told(route.size, seen.told.version, seen.told.resumable or proved, proved)

    def size(self, source: str) -> int | None:
        """Bytes of a source before it is fetched; None if its server does not tell."""
        return self.look(source).size

    def fetch(
        self,
        source: str,
        sink: Sink,
        *,
        size: int | None = None,
        checksum: Checksum | None = None,
        tell: Tell | None = None,
    ) -> Fetched:
        """All of `source` into `sink`, proved. `tell` hears how much has come (else the report).

        JobError: `not_found`, `forbidden`, `forbidden_address`, `bad_source`, `size_mismatch`, `too_large`,
        `checksum_mismatch`. HostError `download_failed` when the network stays broken.
        """
        path = self.local_path(source)
        known = self._routes.get(source) or Route([source], own=source)
        route = known.fresh()  # two files may have one source
        checksum = self.resolve(checksum) or route.checksum
        arrival = Arrival(
            shown(source), sink, self._teller(tell), size=size, limit=self.rules.max_file, checksum=checksum
        )
        if path is None:
            self._download(route, source, arrival)
        else:
            _copy(path, arrival)
        return arrival.prove()

    def read(self, place: Path, sink: Sink, *, size: int | None = None, tell: Tell | None = None) -> Fetched:
        """A file of this host that was fetched before into its sink."""
        arrival = Arrival(place.name, sink, self._teller(tell), size=size)
        _copy(place, arrival)
        return arrival.prove()

    def page(self, url: str, limit: int = _PAGE) -> bytes:
        """A small page, whole; of a longer one the beginning."""
        return self.patiently(url, lambda: b"".join(self.http.pieces(url, Trace(), limit=limit)))

    def local_path(self, source: str) -> Path | None:
        """The path of a local source, None for a URL; JobError `bad_source` for what may not be used."""
        try:
            parts = urlsplit(source)
        except ValueError:
            raise JobError("bad_source", f"{shown(source)} stands in the recipe; correct its host") from None
        if parts.scheme in {"http", "https"}:
            self.http.wire.guard.check_url(source, shown(source))
            return None
        local = parts.scheme in {"", "file"} and parts.netloc in {"", "localhost"}
        if not self.rules.allow_files or not local:
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
        self.http.wire.guard.check_url(where, shown(where))
        words = self.page(where).decode("utf-8", "replace").split()
        try:
            digest = check_digest(checksum.algo, words[0] if words else "")
        except ValueError as error:
            raise JobError("bad_checksum", f"{shown(where)} does not begin with a digest: {error}") from None
        return Checksum(algo=checksum.algo, value=digest)

    def patiently(self, source: str, attempt: Callable[[], T], done: Callable[[], int] = int) -> T:
        """`attempt` until it ends; HostError `download_failed` after several failures in a row.

        `done`: bytes that have come so far. New ones renew the patience, but there is always a pause.
        """
        patience = Patience(self._backoff)
        while True:
            try:
                return attempt()
            except Interrupted as trouble:
                self.check()
                self._wait(self._put_up_with(patience, trouble, source, done()))

    def _download(self, route: Route, source: str, arrival: Arrival) -> None:
        patience, doubted = Patience(self._backoff), False
        while True:
            url, ready = route.next()
            self._wait(ready - time.monotonic())
            try:
                self._attempt(url, route.trace(url), arrival)
            except Interrupted as trouble:
                self.check()
                route.put_off(url, self._put_up_with(patience, trouble, source, arrival.done))
                route.trace(url).forget()
                continue
            except JobError as error:
                if error.code == "size_mismatch" or not route.drop(url):
                    raise
                self._report.log(f"{shown(url)}: {error.message}; going on elsewhere")
                continue
            if arrival.holds or doubted or not route.doubt():
                return
            doubted = True
            self._report.log(f"{shown(source)}: the digest is wrong; fetching it again from the start")
            arrival.rewind()

    def _attempt(self, url: str, trace: Trace, arrival: Arrival) -> None:
        proved = arrival.checksum is not None
        for piece in self.http.pieces(url, trace, offset=arrival.done, rewind=arrival.rewind, proved=proved):
            arrival.write(piece)
        if arrival.size is not None and arrival.done < arrival.size and arrival.done != trace.total:
            raise Interrupted("the transfer ended early")

    def _put_up_with(self, patience: Patience, trouble: Interrupted, source: str, done: int) -> float:
        where = shown(source)
        wait = patience.after(trouble, done)
        if wait is None:
            raise HostError(
                "download_failed",
                f"{where} could not be fetched in {TRIES} tries: {trouble.reason}; "
                "check this host's network and that server, then try again",
            ) from None
        self._report.log(f"{where}: {trouble.reason}; trying again ({done} bytes so far)")
        return wait

    def _route(self, source: str, seen: Seen) -> Route:
        """Where else the file is, if a digest makes sure that it is the same there."""
        if urlsplit(source).path.endswith(SUFFIXES):
            return self._route_by(source, self._metalink(source))
        places = told_by(source, seen)
        route = Route([source], places.checksum, seen.told.size, own=source)
        metalink = described_by(source, seen)
        try:
            known = self._metalink(metalink) if metalink else places
        except (Interrupted, JobError, HostError, BadMetalink) as error:
            self._report.log(f"{shown(source)}: its metalink is of no use ({error})")
            known = places
        route.checksum = known.checksum or places.checksum
        if route.checksum is not None:
            route.urls += [url for url in dict.fromkeys(known.urls + places.urls) if url != source]
        return route

    def _route_by(self, source: str, places: Places) -> Route:
        if not places.urls or places.checksum is None:
            raise JobError(
                "bad_source", f"{shown(source)} names no address or no digest of its file; use another one"
            )
        return Route(list(places.urls), places.checksum, places.size)

    def _metalink(self, url: str) -> Places:
        page = self.page(url, MAX_METALINK)
        try:
            return read_metalink(page, url)
        except BadMetalink as error:
            raise JobError("bad_source", f"{shown(url)} is no metalink: {error}; correct it") from error

    def _teller(self, tell: Tell | None) -> Tell:
        told = tell or self._report.progress

        def both(done: int) -> None:
            told(done)
            self.check()

        return both

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, _NAP))


def _local_size(path: Path) -> int:
    with _named(path):
        if not path.is_file():
            raise JobError("not_found", f"there is no file {path}; correct the path")
        return path.stat().st_size


def _copy(path: Path, arrival: Arrival) -> None:
    with _named(path), path.open("rb") as file:
        arrival.copy(file)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors about a local path in words."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise JobError("not_found", f"there is no file {path}; correct the path") from error
    except PermissionError as error:
        raise JobError("forbidden", f"{path} may not be read; change its permissions") from error
