"""Finding what is kept: whether an entry is the content that is wanted, and still whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from workers.creator.cache.facts import Facts, Kind, Stamp
from workers.creator.cache.index import Index
from workers.creator.cache.kept import KeptFile
from workers.creator.cache.policy import Policy
from workers.creator.cache.proof import digest_of, is_whole, looks_untouched
from workers.creator.cache.shelf import Entry
from workers.creator.cache.wanted import key_of, kind_of, shown
from workers.creator.inputs import Input, What
from workers.report import Report

# two sources may share an entry by these; the others are too easily forged
_STRONG: Final = {"sha-224", "sha-256", "sha-384", "sha-512"}


class Finder:
    """Looks through the entries of `index` for one build."""

    def __init__(self, index: Index, policy: Policy, report: Report, clock: Callable[[], float]) -> None:
        self._index, self._policy, self._report, self._clock = index, policy, report, clock

    def find(self, wanted: Input) -> KeptFile | None:
        """What is kept of it, held and sound, or None."""
        kind, key = kind_of(wanted), key_of(wanted)
        if not self._policy.keeps(kind, shown(wanted)):
            return None
        entries = [
            each for each in self._index.entries() if each.facts.kind is kind and not each.facts.spoiled
        ]
        same = [each for each in entries if each.facts.key == key]
        others = [each for each in entries if each.facts.key != key]
        for entry in (*sorted(same, key=lambda each: -each.facts.added), *others):
            kept = self._index.hold(entry) if self._may_fit(entry.facts, key, wanted) else None
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
            self._index.rewrite(entry, spoiled=True)
            return None
        self._index.rewrite(entry, digests={**entry.facts.digests, algo: known})
        return known

    def _is_sound(self, entry: Entry) -> bool:
        if looks_untouched(entry.data, entry.facts):
            return True
        if is_whole(entry.data, entry.facts, self._report.check):
            self._index.rewrite(entry, stamp=Stamp.of(entry.data))
            return True
        self._report.log(f"{entry.facts.source} in the cache is damaged; it is fetched anew")
        self._index.rewrite(entry, spoiled=True)
        return False

    def _mark_used(self, entry: Entry, *, checked: bool) -> None:
        now = self._clock()
        self._index.rewrite(entry, used=now, more_uses=1, **({"checked": now} if checked else {}))
