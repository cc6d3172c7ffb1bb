"""Looking at the feeds: by command, and by the server once a day."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import IO, Final

from django.conf import settings
from django.db import IntegrityError

from imager import clock
from orders.catalogue import apps, opds
from orders.catalogue.entries import Bad, Entry
from orders.catalogue.faults import FeedFault
from orders.catalogue.fetching import Fetched, Marks, fetched
from orders.catalogue.taking import Taken, take
from orders.models import Feed, Source
from tasks_app import outbox

log = logging.getLogger(__name__)

WORK: Final = "catalogue"
EVERY: Final = timedelta(hours=23)  # a bit less than a day: the hour after is a day later
KEPT_BAD: Final = 100
Reader = Callable[[IO[bytes], str], Iterator[Entry | Bad]]
READERS: Final[dict[Source, Reader]] = {Source.ZIMS: opds.read, Source.APPS: apps.read}


@dataclass(frozen=True)
class Looked:
    """How a look at a feed ended: with a fault, with nothing new, or with what was taken."""

    source: Source
    address: str
    fault: str = ""
    taken: Taken | None = None

    def words(self) -> str:
        """In a line."""
        if self.fault:
            return f"nothing changed: {self.fault}."
        if self.taken is None:
            return "the feed is as it was."
        t = self.taken
        counts = (
            f"{t.entries} entries: {t.new} new, {t.renewed} in a new edition, {t.changed} changed, "
            f"{t.same} as before, {t.back} back, {t.gone} gone"
        )
        older = f", {t.older} older editions passed over" if t.older else ""
        bad = f"; {len(t.bad)} could not be taken" if t.bad else ""
        return f"{counts}{older}{bad}."


def addresses() -> dict[Source, str]:
    """The feeds that this site follows."""
    told = {Source.ZIMS: settings.CATALOG_ZIMS, Source.APPS: settings.CATALOG_APPS}
    return {source: address for source, address in told.items() if address}


def look(source: Source, address: str, *, afresh: bool = False, may_shrink: bool = False) -> Looked:
    """Fetch a feed, take it, and note how it went. What is wrong with the feed is told, not raised."""
    feed = Feed.objects.get_or_create(source=source)[0]
    marks = Marks(feed.etag, feed.last_modified) if feed.url == address and not afresh else Marks()
    try:
        with fetched(address, marks) as found:
            taken = _take(source, found, may_shrink=may_shrink) if found else None
            looked = Looked(source, address, taken=taken)
            marks = found.marks if found else marks
    except FeedFault as error:
        looked = Looked(source, address, fault=str(error))
    _note(feed, looked, marks)
    return looked


def _take(source: Source, found: Fetched, *, may_shrink: bool) -> Taken:
    try:
        return take(source, READERS[source](found.body, found.url), may_shrink=may_shrink)
    except IntegrityError as error:  # two entries swap places, or staff were at work in the same moment
        raise FeedFault(f"the database refuses it: {error}".strip()) from error


def _note(feed: Feed, looked: Looked, marks: Marks) -> None:
    at = clock.now()
    noted: dict[str, object] = {"checked_at": at, "outcome": looked.words()}
    if not looked.fault:
        noted |= {"taken_at": at, "url": looked.address}
        noted |= {"etag": marks.etag, "last_modified": marks.last_modified}
    if looked.taken:
        noted["entries"] = looked.taken.entries
        noted["bad"] = [{"ident": one.ident, "reason": one.reason} for one in looked.taken.bad[:KEPT_BAD]]
    Feed.objects.filter(pk=feed.pk).update(**noted)
    level = logging.WARNING if looked.fault else logging.INFO
    log.log(level, "catalogue, %s: %s", looked.source, looked.words())


def ask() -> None:
    """Have the server look at the feeds that were not looked at for a day; those that failed, each hour."""
    at = clock.now()
    fresh = set(Feed.objects.filter(taken_at__gt=at - EVERY).values_list("source", flat=True))
    for source in addresses():
        if source.value not in fresh:
            ask_for(source, f"{at:%Y-%m-%dT%H}")


def ask_for(source: Source, when: str = "") -> None:
    """Have the server look at a feed soon; once for each `when`, by default the minute."""
    when = when or f"{clock.now():%Y-%m-%dT%H:%M}"
    outbox.post(WORK, dedupe=f"{WORK}:{source}:{when}", payload={"source": source})


def serve(payload: dict[str, str]) -> None:
    """What `ask` asked for, done by the server's own Celery worker."""
    source = Source(payload["source"])
    address = addresses().get(source)
    if address:
        look(source, address)
