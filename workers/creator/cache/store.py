"""The cache of a host as a build uses it: asked for content, it has it, brings it, or declines."""

from __future__ import annotations

import errno
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from workers.creator.cache.evict import Candidate, Going, admits, plan, yielding
from workers.creator.cache.facts import Facts, Kind, Stamp
from workers.creator.cache.kept import KeptFile
from workers.creator.cache.policy import Policy
from workers.creator.cache.proof import digest_of, is_whole, looks_untouched
from workers.creator.cache.queue import Turn
from workers.creator.cache.shelf import DATA, Entry, Pin, Shelf, sync
from workers.creator.disk import free_bytes
from workers.creator.inputs import Fetched, Input, What
from workers.errors import HostError
from workers.imaging.manifest import public_source
from workers.report import Report

KINDS: Final = {What.BASE: Kind.BASE, What.FILE: Kind.FILE, What.IMAGE: Kind.OCI_IMAGE}
# two sources may share an entry by these; the others are too easily forged
_STRONG: Final = {"sha-224", "sha-256", "sha-384", "sha-512"}
_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT}

Fetch = Callable[[Path], Fetched]


class Cache:
    """One build's door to the cache in `root`. Safe under threads, and beside other builds' doors."""

    def __init__(
        self, root: Path, policy: Policy, report: Report, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._shelf = Shelf(root)
        self._policy, self._report, self._clock = policy, report, clock
        self._promised = 0

    @contextmanager
    def get(self, wanted: Input, fetch: Fetch) -> Iterator[KeptFile | None]:
        """See `inputs.Store`. A failed `fetch` leaves nothing; its error passes through."""
        kept = self._find(wanted) or self._bring(wanted, fetch)
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
        with self._shelf.changing():
            return [(each, self._shelf.is_pinned(each.folder)) for each in self._shelf.entries()]

    def evict(self) -> list[tuple[Entry, str]]:
        """Apply the policy now. What went, and why; broken leftovers go, too."""
        return self._drop(lambda candidates: plan(candidates, self._policy, self._clock()))

    def clear(self) -> list[tuple[Entry, str]]:
        """Give up everything that is not in use."""
        return self._drop(
            lambda candidates: [Going(each.name, "cleared") for each in candidates if not each.pinned]
        )

    def verify(self) -> Iterator[tuple[Entry, bool]]:
        """Read every entry; one that is damaged is dropped. Each with whether it is good."""
        for entry, _ in self.entries():
            kept = self._hold(entry)
            if kept is None:
                continue
            try:
                good = is_whole(entry.data, entry.facts, self._report.check)
                if good:
                    self._rewrite(entry, stamp=Stamp.of(entry.data))
            finally:
                kept.let_go()
            if not good:
                self._remove(entry)
            yield entry, good

    # finding

    def _find(self, wanted: Input) -> KeptFile | None:
        kind, key = KINDS[wanted.what], key_of(wanted)
        if not self._policy.keeps(kind, facts_source(wanted)):
            return None
        entries = [
            each for each in self._shelf.entries() if each.facts.kind is kind and not each.facts.spoiled
        ]
        same = [each for each in entries if each.facts.key == key]
        others = [each for each in entries if each.facts.key != key]
        for entry in (*sorted(same, key=lambda each: -each.facts.added), *others):
            kept = self._hold(entry) if self._may_fit(entry.facts, key, wanted) else None
            if kept is None:
                continue
            if self._fits(entry, wanted) and self._is_sound(entry):
                self._mark_used(entry, checked=not wanted.checksum and self._is_same_version(entry, wanted))
                return kept
            kept.let_go()
        return None

    def _may_fit(self, facts: Facts, key: str, wanted: Input) -> bool:
        checksum = wanted.checksum
        if facts.key == key:
            return True
        return (
            checksum is not None
            and checksum.algo in _STRONG
            and facts.digests.get(checksum.algo) == checksum.value.lower()
        )

    def _fits(self, entry: Entry, wanted: Input) -> bool:
        """Whether this is the content that is wanted: by its digest, else by what its server says."""
        facts, told = entry.facts, wanted.told
        if wanted.what is not What.BASE and told.size is not None and told.size != facts.size:
            return False
        if wanted.checksum is not None:
            return self._has_digest(entry, wanted.checksum.algo, wanted.checksum.value.lower())
        quiet = self._policy.quiet_for(facts.kind, facts.source)
        if 0 <= self._clock() - facts.checked < quiet:
            return True
        return self._is_same_version(entry, wanted)

    def _is_same_version(self, entry: Entry, wanted: Input) -> bool:
        return bool(wanted.told.version) and wanted.told.version == entry.facts.validator

    def _has_digest(self, entry: Entry, algo: str, value: str) -> bool:
        known = entry.facts.digests.get(algo)
        if known is None and entry.facts.kind is not Kind.BASE:  # reading it is cheaper than fetching it
            known = self._digested(entry, algo)
        return known == value

    def _digested(self, entry: Entry, algo: str) -> str | None:
        """Another digest of its bytes; None if the disk does not give them back."""
        try:
            known = digest_of(entry.data, algo, self._report.check)
        except OSError as error:
            self._report.log(f"{entry.facts.source} in the cache cannot be read ({error.strerror})")
            self._rewrite(entry, spoiled=True)
            return None
        self._rewrite(entry, digests={**entry.facts.digests, algo: known})
        return known

    def _is_sound(self, entry: Entry) -> bool:
        if looks_untouched(entry.data, entry.facts):
            return True
        if is_whole(entry.data, entry.facts, self._report.check):
            self._rewrite(entry, stamp=Stamp.of(entry.data))
            return True
        self._report.log(f"{entry.facts.source} in the cache is damaged; it is fetched anew")
        self._rewrite(entry, spoiled=True)
        return False

    # bringing

    def _bring(self, wanted: Input, fetch: Fetch) -> KeptFile | None:
        """Fetch it into the cache; one build at a time per source, the others wait and find it."""
        if not self._has_place_for(wanted):
            return None
        with Turn(self._shelf.root / "turns", key_of(wanted), self._report) as alone:
            if not alone:
                return None
            return self._find(wanted) or self._fetch(wanted, fetch)

    def _has_place_for(self, wanted: Input) -> bool:
        kind, size = KINDS[wanted.what], wanted.told.size or 0
        now = self._clock()
        coming = Candidate("coming", kind, key_of(wanted), facts_source(wanted), size, now, now)
        with self._shelf.changing():
            if admits(coming, self._candidates(), self._policy, now) is None:
                return False
        return self._yield_bytes(self._promised + size)

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
            return KeptFile(folder / DATA, facts, pin, self._spoiled, temporary=placed is None)
        except BaseException as error:
            self._shelf.discard(folder)
            pin.let_go()
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                self._report.log(f"no room to keep {facts_source(wanted)} in the cache")
                return None
            raise

    def _facts(self, wanted: Input, data: Path, got: Fetched) -> Facts:
        kind, now, stamp = KINDS[wanted.what], self._clock(), Stamp.of(data)
        if got.size != stamp.size:
            raise HostError(
                "cache_damaged",
                f"{facts_source(wanted)} has {got.size} bytes, {stamp.size} reached the disk; check it",
            )
        digests = {} if kind is Kind.BASE else {"sha-256": got.sha256}
        if wanted.checksum is not None:
            digests[wanted.checksum.algo] = wanted.checksum.value.lower()
        return Facts(
            kind=kind,
            key=key_of(wanted),
            source=facts_source(wanted),
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
        coming = _candidate(Entry(Path(name), facts), pinned=False)
        with self._shelf.changing():
            going = admits(coming, self._candidates(), self._policy, self._clock())
            if going is None:
                pin.share()
                return None
            self._take_away(going)
            placed = self._shelf.place(folder, name)
            pin.share()
            self._shelf.remove_broken()
        self._shelf.empty_trash()
        return Entry(placed, facts)

    # giving up

    def _yield_bytes(self, needed: int) -> bool:
        """Whether `needed` bytes are free, after giving up what may go for that."""
        missing = needed - free_bytes(self._shelf.root)
        if missing > 0:
            self._drop(lambda candidates: yielding(candidates, self._policy, missing))
        return free_bytes(self._shelf.root) >= needed

    def _drop(self, choose: Callable[[list[Candidate]], list[Going]]) -> list[tuple[Entry, str]]:
        with self._shelf.changing():
            self._shelf.remove_broken()
            gone = self._take_away(choose(self._candidates()))
        self._shelf.empty_trash()
        return gone

    def _take_away(self, going: list[Going]) -> list[tuple[Entry, str]]:
        there = {each.name: each for each in self._shelf.entries()}
        gone = []
        for each in going:
            entry = there[each.name]
            if self._shelf.remove(entry.folder):
                self._report.log(f"{entry.facts.source} leaves the cache: {each.reason}")
                gone.append((entry, each.reason))
        return gone

    def _spoiled(self, kept: KeptFile) -> None:
        self._remove(Entry(kept.path.parent, kept.facts))

    def _remove(self, entry: Entry) -> None:
        """It goes now, or when the last build that uses it has ended; nobody finds it any more."""
        self._rewrite(entry, spoiled=True)
        with self._shelf.changing():
            self._shelf.remove(entry.folder)
        self._shelf.empty_trash()

    # the index

    def _hold(self, entry: Entry) -> KeptFile | None:
        with self._shelf.changing():
            pin = self._shelf.pin(entry.folder)
        return KeptFile(entry.data, entry.facts, pin, self._spoiled) if pin is not None else None

    def _mark_used(self, entry: Entry, *, checked: bool) -> None:
        now = self._clock()
        self._rewrite(entry, used=now, more_uses=1, **({"checked": now} if checked else {}))

    def _rewrite(self, entry: Entry, *, more_uses: int = 0, **changes: object) -> None:
        with self._shelf.changing():
            facts = Facts.read(entry.folder)
            if facts is not None:
                uses = {"uses": facts.uses + more_uses}
                facts.model_copy(update={**changes, **uses}).write(entry.folder)

    def _candidates(self) -> list[Candidate]:
        """Only inside `changing`: asking whether an entry is in use holds its lock for a moment."""
        return [_candidate(each, pinned=self._shelf.is_pinned(each.folder)) for each in self._shelf.entries()]


def key_of(wanted: Input) -> str:
    """Names a source with everything that belongs to it, of which people see only a part."""
    return hashlib.sha256(f"{KINDS[wanted.what]}\0{wanted.source}".encode()).hexdigest()


def facts_source(wanted: Input) -> str:
    """The source as people may see it."""
    return wanted.source if wanted.what is What.IMAGE else public_source(wanted.source)


def _candidate(entry: Entry, *, pinned: bool) -> Candidate:
    facts = entry.facts
    key = f"{facts.key} spoiled" if facts.spoiled else facts.key  # it replaces no sound one
    return Candidate(entry.name, facts.kind, key, facts.source, facts.disk, facts.added, facts.used, pinned)
