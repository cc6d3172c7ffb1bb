"""Taking a feed into the catalogue: all of it in one transaction, and only what changed is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from django.db import transaction

from imager import clock
from orders.catalogue.entries import Bad, Entry
from orders.catalogue.faults import FeedFault
from orders.models import Content, Edition, Feed, Source

BATCH: Final = 1000
FEW: Final = 10  # so few may go at once
WRITTEN: Final = (*(name for name in Entry.__dataclass_fields__ if name != "ident"), "fingerprint", "search")


@dataclass
class Taken:
    """How the catalogue changed: how many entries of each kind, and which could not be taken."""

    entries: int = 0
    new: int = 0
    renewed: int = 0  # in another edition
    changed: int = 0  # in their words
    back: int = 0
    gone: int = 0
    older: int = 0  # a newer edition was in the same feed
    bad: list[Bad] = field(default_factory=list)

    @property
    def same(self) -> int:
        """Nothing was written for them."""
        return self.entries - self.new - self.renewed - self.changed - self.back


class Known(NamedTuple):
    """What is stored of an entry, as far as it is needed to see what changed."""

    pk: int
    source: str
    fingerprint: str
    edition: str
    missing_since: datetime | None
    path: str
    active: bool


def take(source: Source, told: Iterable[Entry | Bad], *, may_shrink: bool = False) -> Taken:
    """Make the catalogue's part of `source` what the feed says. What it no longer names is marked as missing.

    FeedFault, and nothing is changed, if the feed is empty or less than half of what is known.
    """
    taken = Taken()
    entries = _newest(told, taken)
    with transaction.atomic():
        Feed.objects.select_for_update().get(source=source)
        known = {row[0]: Known(*row[1:]) for row in Content.objects.values_list("ident", *Known._fields)}
        fit = _fit(source, entries, known, taken)
        _refuse_less(source, len(fit), known, may_shrink=may_shrink)
        _miss(source, fit, known, taken)  # first: an entry that was renamed keeps its place on the card
        _write(source, fit, known, taken)
    taken.entries = len(fit)
    return taken


def _newest(told: Iterable[Entry | Bad], taken: Taken) -> dict[str, Entry]:
    """One entry for each identifier."""
    newest: dict[str, Entry] = {}
    for entry in told:
        if isinstance(entry, Bad):
            taken.bad.append(entry)
            continue
        other = newest.get(entry.ident)
        taken.older += other is not None
        if other is None or _age(entry) >= _age(other):
            newest[entry.ident] = entry
    return newest


def _age(entry: Entry) -> tuple[str, str]:
    return str(entry.issued or ""), entry.version


def _fit(source: Source, entries: dict[str, Entry], known: dict[str, Known], taken: Taken) -> list[Entry]:
    """Those that are this feed's to tell, and whose place on the card is free."""
    paths = {row.path: ident for ident, row in known.items() if row.active and not row.missing_since}
    paths = {path: ident for path, ident in paths.items() if known[ident].source != source}
    fit = []
    for ident, entry in entries.items():
        owner = known[ident].source if ident in known else source
        if owner != source:
            taken.bad.append(Bad(ident, f"{Source(owner).label} keep an entry of that identifier"))
        elif entry.path and paths.setdefault(entry.path, ident) != ident:
            taken.bad.append(Bad(ident, f"its place {entry.path} is that of {paths[entry.path]}"))
        else:
            fit.append(entry)
    return fit


def _refuse_less(source: Source, count: int, known: dict[str, Known], *, may_shrink: bool) -> None:
    before = sum(row.source == source and not row.missing_since for row in known.values())
    if not count:
        raise FeedFault("it holds no entry that could be taken; see whether its address is right")
    if before > FEW and count * 2 < before and not may_shrink:
        raise FeedFault(
            f"it holds {count} entries where {before} are known; "
            "if that is right, run `manage.py sync_catalog --accept-less`"
        )


def _write(source: Source, entries: list[Entry], known: dict[str, Known], taken: Taken) -> None:
    rows = []
    for entry in entries:
        mark, old = entry.fingerprint(), known.get(entry.ident)
        if old and old.fingerprint == mark and not old.missing_since:
            continue
        _count(entry, old, taken)
        row = Content(ident=entry.ident, source=source, fingerprint=mark, **entry.fields())
        row.search = row.searched()
        rows.append(row)
    Content.objects.bulk_create(
        rows,
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["ident"],
        update_fields=[*WRITTEN, "missing_since"],
    )
    _remember(rows, known)


def _count(entry: Entry, old: Known | None, taken: Taken) -> None:
    if old is None:
        taken.new += 1
    elif old.missing_since:
        taken.back += 1
    elif old.edition != entry.edition:
        taken.renewed += 1
    else:
        taken.changed += 1


def _remember(rows: list[Content], known: dict[str, Known]) -> None:
    """The editions that were not there before."""
    fresh = [row for row in rows if row.ident not in known or known[row.ident].edition != row.edition]
    keys = dict(Content.objects.filter(ident__in=[row.ident for row in fresh]).values_list("ident", "pk"))
    editions = [
        Edition(
            content_id=keys[row.ident],
            edition=row.edition or row.version,
            version=row.version,
            issued=row.issued,
            url=row.url,
            size=row.size,
        )
        for row in fresh
    ]
    Edition.objects.bulk_create(editions, batch_size=BATCH, ignore_conflicts=True)


def _miss(source: Source, entries: list[Entry], known: dict[str, Known], taken: Taken) -> None:
    seen = {entry.ident for entry in entries}
    gone = [
        row.pk
        for ident, row in known.items()
        if row.source == source and not row.missing_since and ident not in seen
    ]
    taken.gone = len(gone)
    if gone:
        Content.objects.filter(pk__in=gone).update(missing_since=clock.now())
