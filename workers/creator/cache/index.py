"""The entries of a cache as builds hold, rewrite and give them up."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from workers.creator.cache.evict import Candidate, Going
from workers.creator.cache.facts import Facts
from workers.creator.cache.kept import KeptFile
from workers.creator.cache.shelf import Entry, Shelf
from workers.report import Report


class Index:
    """One build's hands on the shelf. Safe under threads, and beside other builds' hands."""

    def __init__(self, shelf: Shelf, report: Report) -> None:
        self._shelf, self._report = shelf, report

    def changing(self) -> AbstractContextManager[None]:
        """Alone with the shelf: nobody else adds, removes or rewrites meanwhile."""
        return self._shelf.changing()

    def entries(self) -> list[Entry]:
        """All complete entries, by name."""
        return self._shelf.entries()

    def used(self) -> list[tuple[Entry, bool]]:
        """Everything kept, with whether it is in use now."""
        with self.changing():
            return [(each, self._shelf.is_pinned(each.folder)) for each in self.entries()]

    def candidates(self) -> list[Candidate]:
        """Only inside `changing`: asking whether an entry is in use holds its lock for a moment."""
        return [candidate(each, pinned=self._shelf.is_pinned(each.folder)) for each in self.entries()]

    def hold(self, entry: Entry) -> KeptFile | None:
        """Keep it where it is for a build; None if it has gone, or goes this moment."""
        with self.changing():
            pin = self._shelf.pin(entry.folder)
        return KeptFile(entry.data, entry.facts, pin, self.spoiled) if pin is not None else None

    def rewrite(self, entry: Entry, *, more_uses: int = 0, **changes: object) -> None:
        """Change what is known of it, if it is still there."""
        with self.changing():
            facts = Facts.read(entry.folder)
            if facts is not None:
                uses = {"uses": facts.uses + more_uses}
                facts.model_copy(update={**changes, **uses}).write(entry.folder)

    def drop(self, choose: Callable[[list[Candidate]], list[Going]]) -> list[tuple[Entry, str]]:
        """Give up what `choose` names, and broken leftovers. What went, and why."""
        with self.changing():
            self._shelf.remove_broken()
            gone = self.take_away(choose(self.candidates()))
        self._shelf.empty_trash()
        return gone

    def take_away(self, going: list[Going]) -> list[tuple[Entry, str]]:
        """Those of them that nobody uses. Only inside `changing`; `Shelf.empty_trash` frees their space."""
        there = {each.name: each for each in self.entries()}
        gone = []
        for each in going:
            entry = there[each.name]
            if self._shelf.remove(entry.folder):
                self._report.log(f"{entry.facts.source} leaves the cache: {each.reason}")
                gone.append((entry, each.reason))
        return gone

    def remove(self, entry: Entry) -> None:
        """It goes now, or when the last build that uses it has ended; nobody finds it any more."""
        self.rewrite(entry, spoiled=True)
        with self.changing():
            self._shelf.remove(entry.folder)
        self._shelf.empty_trash()

    def spoiled(self, kept: KeptFile) -> None:
        """A build has read something else than what was kept."""
        self.remove(Entry(kept.path.parent, kept.facts))


def candidate(entry: Entry, *, pinned: bool) -> Candidate:
    """An entry as the policy sees it."""
    facts = entry.facts
    key = f"{facts.key} spoiled" if facts.spoiled else facts.key  # it replaces no sound one
    return Candidate(entry.name, facts.kind, key, facts.source, facts.disk, facts.added, facts.used, pinned)


def coming(name: str, facts: Facts) -> Candidate:
    """What shall become the entry `name`."""
    return candidate(Entry(Path(name), facts), pinned=False)
