"""Content on its way: from the network or the cache into the image, or to a file first where it must be."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar, cast

from workers.creator.archive import Archive, Arriving
from workers.creator.arrival import Arrival
from workers.creator.cache.proof import digest_of
from workers.creator.crew import Crew, Sum, all_of
from workers.creator.digest import new_digest
from workers.creator.disk import check_disk
from workers.creator.fetch import Fetcher
from workers.creator.inputs import Copier, Fetched, Images, Input, Kept, Sink, Store, Tell, What
from workers.creator.plan import Item
from workers.errors import HostError, JobError
from workers.imaging.clone import WORTH_IT
from workers.report import Report

T = TypeVar("T")

_COPIED: Final = (
    "content of the cache is copied into the image: they do not lie on one file system that can share blocks "
    "(XFS or Btrfs)"
)


class FileSink:
    """A new file that takes what arrives."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("x+b")  # readable: what gives blocks away must be

    def write(self, data: bytes | memoryview, /) -> None:
        self._file.write(data)

    def rewind(self) -> None:
        self._file.seek(0)
        self._file.truncate()

    def close(self) -> None:
        self._file.close()

    def fileno(self) -> int:
        return self._file.fileno()


class Nowhere:
    """A sink for bytes that only need to be proved."""

    def write(self, data: bytes | memoryview, /) -> None:
        """Nothing to keep."""

    def rewind(self) -> None:
        """Nothing to forget."""


class _Both:
    """A file, and the place that the same content is meant for. `got`: all of it has come to both.

    `held`: it has come to the file alone, whose blocks the place can share.
    """

    def __init__(self, sink: Sink) -> None:
        self.sink, self.file, self.begun = sink, cast("FileSink", None), False
        self.got: Fetched | None = None
        self.held: Fetched | None = None

    def write(self, data: bytes | memoryview, /) -> None:
        self.begun = True
        self.file.write(data)
        self.sink.write(data)

    def rewind(self) -> None:
        self.file.rewind()
        self.sink.rewind()


class Depot:
    """One build's content. `store` and `images` may be missing; what `early` brings is gone at the end."""

    def __init__(
        self, work: Path, fetcher: Fetcher, report: Report, store: Store | None, images: Images | None
    ) -> None:
        self._work, self._fetcher, self._report = work, fetcher, report
        self._store, self._images = store, images
        self._pins, self._lock = ExitStack(), threading.Lock()
        self._said = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pins.close()

    def check_disk(self, needed: int) -> None:
        """HostError `disk_full` unless there is room; the store gives up what it can before that."""
        if self._store is not None:
            self._store.make_room(needed)
        check_disk(self._work, needed)

    def all_of(self, jobs: Sequence[Callable[[], T]]) -> list[T]:
        """Several jobs at a time, as many as the host's rules say."""
        width = self._fetcher.rules.parallel
        return all_of(jobs, width=width, report=self._report, cut=self._fetcher.cut)

    def crew(self) -> Crew:
        """Those who fetch, as many as the host's rules say."""
        width = self._fetcher.rules.parallel
        return Crew(width=width, report=self._report, cut=self._fetcher.cut)

    def arriving(self, item: Item) -> Arriving:
        """A tar that is unpacked while it comes."""
        limit = self._fetcher.rules.max_file
        return Arriving(item.size, item.via, item.to, f"the archive of {item.to}", limit)

    def measure(self, items: list[Item]) -> list[Item]:
        """The same items, all with their sizes: archives, and those that hide it, are fetched now.

        But for those that are unpacked while they arrive.
        """
        progress = Sum(self._report)
        jobs = [partial(self._early, item, number, progress.part()) for number, item in enumerate(items)]
        return [self._listed(item) for item in self.all_of(jobs)]

    def into(self, item: Item, sink: Sink, tell: Tell) -> Fetched:
        """The content of an item into its sink, proved."""
        if item.data is not None:
            return self._inline(item, item.data, sink, tell)
        if item.place is not None:  # its checksum was proved when it arrived
            return self._fetcher.read(item.place, sink, size=item.size, tell=tell)
        if self._store is None:
            return self._from_afar(item, sink, tell)
        both = _Both(sink)
        with self._store.get(wanted(item), partial(self._to_file, item, tell, both=both)) as kept:
            if both.got is not None:  # it went to the store and to its place at once
                return both.got
            if kept is not None and both.held is not None:
                return self._shared(kept, both.held, sink)
            if kept is not None:
                return self._from_store(kept, item, sink, tell)
        if both.begun:
            sink.rewind()
        return self._from_afar(item, sink, tell)

    def _early(self, item: Item, number: int, tell: Tell) -> Item:
        if item.data is not None or item.streamed or (item.size >= 0 and not item.via):
            return item
        kept = self._pinned(item, tell)
        if kept is None:
            place = self._work / f"early.{number}"
            place.unlink(missing_ok=True)  # of a first pass that could not go on to its end
            got = self._to_file(item, tell, place)
        else:
            place = kept.path
            got = self._from_store(kept, replace(item, size=kept.size), Nowhere(), tell)
        return replace(item, size=got.size, place=place, sha256=got.sha256)

    def _pinned(self, item: Item, tell: Tell) -> Kept | None:
        return self.keep(wanted(item), partial(self._to_file, item, tell))

    def keep(self, thing: Input, fetch: Callable[[Path], Fetched]) -> Kept | None:
        """Something of the store, pinned until the end of the build; None if it keeps no such thing."""
        if self._store is None:
            return None
        door = self._store.get(thing, fetch)
        kept = door.__enter__()
        with self._lock:
            self._pins.push(door)
        return kept

    def _listed(self, item: Item) -> Item:
        if not item.via or item.place is None:
            return item
        return replace(item, members=tuple(self.archive(item).members(self._fetcher.check)))

    def archive(self, item: Item) -> Archive:
        """An item that is an archive, once it is at hand."""
        if item.place is None:
            raise HostError("not_fetched", f"{item.to} is not here yet; build the image again")
        return Archive(
            item.place, item.via, item.to, f"the archive of {item.to}", self._fetcher.rules.max_file
        )

    def _to_file(self, item: Item, tell: Tell, path: Path, both: _Both | None = None) -> Fetched:
        file = FileSink(path)
        try:
            if both is None:
                return self._from_afar(item, file, tell)
            both.file = file
            if self._is_shared(file.fileno(), both.sink):
                both.held = self._from_afar(item, file, tell)
                return both.held
            both.got = self._from_afar(item, both, tell)
            return both.got
        finally:
            file.close()

    def _is_shared(self, fd: int, sink: Sink) -> bool:
        """Whether the image can have blocks of the store's file; the log hears once that it cannot."""
        if not isinstance(sink, Copier) or sink.size < WORTH_IT:
            return False
        if sink.shares(fd):
            return True
        with self._lock:
            said, self._said = self._said, True
        if not said:
            self._report.log(_COPIED)
        return False

    def _shared(self, kept: Kept, got: Fetched, sink: Sink) -> Fetched:
        """What has just been proved on its way to the store, into its place; most of it without a copy."""
        with kept.path.open("rb") as file:
            cast("Copier", sink).copy_from(file.fileno(), sees=None, tell=lambda _: self._fetcher.check())
        return got

    def _from_store(self, kept: Kept, item: Item, sink: Sink, tell: Tell) -> Fetched:
        """HostError `cache_damaged` if that is not what was kept, or unreadable; it is not used again."""
        try:
            if not self._said:
                with kept.path.open("rb") as file:
                    self._is_shared(file.fileno(), sink)
            got = self._fetcher.read(kept.path, sink, size=item.size, tell=tell)
        except OSError as error:
            if error.errno == errno.EIO and not self._is_readable(kept.path):  # else it is the image's disk
                kept.prove("")
            raise
        kept.prove(got.sha256)
        return got

    def _is_readable(self, path: Path) -> bool:
        try:
            digest_of(path, "sha-256", self._fetcher.check)
        except OSError:
            return False
        return True

    def _from_afar(self, item: Item, sink: Sink, tell: Tell) -> Fetched:
        if item.image is not None and item.image.url is None and self._images is not None:
            return self._images.pour(item.image, sink, tell)
        size = item.size if item.size >= 0 else None
        return self._fetcher.fetch(item.source, sink, size=size, checksum=item.checksum, tell=tell)

    def _inline(self, item: Item, data: bytes, sink: Sink, tell: Tell) -> Fetched:
        if item.checksum is not None and item.checksum.kind == "digest":
            digest = new_digest(item.checksum.algo)
            digest.update(data)
            if digest.hexdigest() != item.checksum.value.lower():
                raise JobError(
                    "checksum_mismatch",
                    f"the content of {item.to} has the {item.checksum.algo} {digest.hexdigest()}, "
                    f"the recipe wants {item.checksum.value}; correct one of them",
                )
        arrival = Arrival(item.to, sink, tell, size=len(data))
        arrival.write(data)
        return arrival.prove()


def wanted(item: Item) -> Input:
    """An item as the store knows it."""
    pulled = item.image is not None and item.image.url is None
    what = What.IMAGE if pulled else What.FILE
    return Input(what, item.source, item.checksum, item.told)
