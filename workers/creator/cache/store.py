"""The cache of a host as a build uses it: asked for content, it has it, brings it, or declines."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from workers.creator.cache.evict import Candidate, Going, admits, plan, yielding
from workers.creator.cache.facts import Facts, Kind, Stamp
from workers.creator.cache.find import Finder
from workers.creator.cache.index import Index, coming
from workers.creator.cache.kept import KeptFile
from workers.creator.cache.policy import Policy
from workers.creator.cache.proof import is_whole
from workers.creator.cache.queue import Turn
from workers.creator.cache.shelf import DATA, Entry, Pin, Shelf, sync
from workers.creator.cache.wanted import key_of, kind_of, shown
from workers.creator.disk import free_bytes
from workers.creator.inputs import Fetched, Input
from workers.errors import HostError
from workers.report import Report

_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT}

Fetch = Callable[[Path], Fetched]


class Cache:
    """One build's door to the cache in `root`. Safe under threads, and beside other builds' doors."""

    def __init__(
        self, root: Path, policy: Policy, report: Report, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._shelf = Shelf(root)
        self._policy, self._report, self._clock = policy, report, clock
        self._index = Index(self._shelf, report)
        self._finder = Finder(self._index, policy, report, clock)
        self._promised = 0

    @contextmanager
    def get(self, wanted: Input, fetch: Fetch) -> Iterator[KeptFile | None]:
        """See `inputs.Store`. A failed `fetch` leaves nothing; its error passes through."""
        kept = self._finder.find(wanted) or self._bring(wanted, fetch)
        try:
            yield kept
        finally:
            if kept is not None:
                kept.let_go()

    def make_room(self, needed: int) -> None:
        """See `inputs.Store`: from now on, nothing is brought in at the cost of these bytes."""
        self._promised = needed
        self._yield_bytes(needed)

    def entries(self) -> list[tuple[Entry, bool]]:
        """Everything kept, with whether it is in use now."""
        return self._index.used()

    def evict(self) -> list[tuple[Entry, str]]:
        """Apply the policy now. What went, and why; broken leftovers go, too."""
        return self._index.drop(lambda candidates: plan(candidates, self._policy, self._clock()))

    def clear(self) -> list[tuple[Entry, str]]:
        """Give up everything that is not in use."""
        return self._index.drop(
            lambda candidates: [Going(each.name, "cleared") for each in candidates if not each.pinned]
        )

    def verify(self) -> Iterator[tuple[Entry, bool]]:
        """Read every entry; one that is damaged is dropped. Each with whether it is good."""
        for entry, _ in self.entries():
            kept = self._index.hold(entry)
            if kept is None:
                continue
            try:
                good = is_whole(entry.data, entry.facts, self._report.check)
                if good:
                    self._index.rewrite(entry, stamp=Stamp.of(entry.data))
            finally:
                kept.let_go()
            if not good:
                self._index.remove(entry)
            yield entry, good

    def _bring(self, wanted: Input, fetch: Fetch) -> KeptFile | None:
        """Fetch it into the cache; one build at a time per source, the others wait and find it."""
        if not self._has_place_for(wanted):
            return None
        with Turn(self._shelf.root / "turns", key_of(wanted), self._report) as alone:
            if not alone:
                return None
            return self._finder.find(wanted) or self._fetch(wanted, fetch)

    def _has_place_for(self, wanted: Input) -> bool:
        size, now = wanted.told.size or 0, self._clock()
        new = Candidate("coming", kind_of(wanted), key_of(wanted), shown(wanted), size, now, now)
        with self._index.changing():
            if admits(new, self._index.candidates(), self._policy, now) is None:
                return False
        return self._yield_bytes(self._promised + size)

    def _yield_bytes(self, needed: int) -> bool:
        """Whether `needed` bytes are free, after giving up what may go for that."""
        missing = needed - free_bytes(self._shelf.root)
        if missing > 0:
            self._index.drop(lambda candidates: yielding(candidates, self._policy, missing))
        return free_bytes(self._shelf.root) >= needed

    def _fetch(self, wanted: Input, fetch: Fetch) -> KeptFile | None:
        folder, pin = self._shelf.new_folder()
        data = folder / DATA
        try:
            got = fetch(data)
            sync(data)
            data.chmod(0o444)
            facts = self._facts(wanted, data, got)
            facts.write(folder)
            placed = self._admit(folder, facts, pin)
            if placed is not None:
                folder = placed.folder
            return KeptFile(folder / DATA, facts, pin, self._index.spoiled, temporary=placed is None)
        except BaseException as error:
            self._shelf.discard(folder)
            pin.let_go()
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                self._report.log(f"no room to keep {shown(wanted)} in the cache")
                return None
            raise

    def _facts(self, wanted: Input, data: Path, got: Fetched) -> Facts:
        kind, now, stamp = kind_of(wanted), self._clock(), Stamp.of(data)
        if got.size != stamp.size:
            raise HostError(
                "cache_damaged",
                f"{shown(wanted)} has {got.size} bytes, {stamp.size} reached the disk; check it",
            )
        digests = {} if kind is Kind.BASE else {"sha-256": got.sha256}
        if wanted.checksum is not None:
            digests[wanted.checksum.algo] = wanted.checksum.value.lower()
        return Facts(
            kind=kind,
            key=key_of(wanted),
            source=shown(wanted),
            content=got.sha256,
            digests=digests,
            validator=wanted.told.version,
            disk=data.stat().st_blocks * 512,
            added=now,
            checked=now,
            used=now,
            uses=1,
            stamp=stamp,
        )

    def _admit(self, folder: Path, facts: Facts, pin: Pin) -> Entry | None:
        """Give it its place, for which others may have to go; None if the policy has none for it.

        Its lock becomes a shared one in the same moment: the kernel lets go of the old one first, and whoever
        removes entries must not come in between.
        """
        name = f"{facts.key[:32]}.{folder.name[:16]}"
        with self._index.changing():
            going = admits(coming(name, facts), self._index.candidates(), self._policy, self._clock())
            if going is None:
                pin.share()
                return None
            self._index.take_away(going)
            placed = self._shelf.place(folder, name)
            pin.share()
            self._shelf.remove_broken()
        self._shelf.empty_trash()
        return Entry(placed, facts)
