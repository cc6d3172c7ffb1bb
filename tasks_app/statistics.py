"""How cards did: by lot, by slot, by media. Four queries, however many cards there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Final

from django.db import connection
from django.db.models import Aggregate, Count, FloatField, Min, Q, QuerySet

from imager import clock
from tasks_app import tallies
from tasks_app.models import Card, Lot
from tasks_app.services.moving import order_model
from tasks_app.tallies import Tally

PERIODS: Final = (30, 90, 365)  # days
USUAL: Final = PERIODS[1]
TALLY: Final = "cards"
AT_ONCE: Final = 5_000  # cards that are counted while somebody waits
MOST: Final = 200  # lines of a table
MOST_CALLS: Final = 10**12  # of one card, in one bucket: more is no count
BUCKETS: Final = 16  # of a host's histogram: the N-th ends at 2**N ms, the last does not

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "lot": ("lot", "lot__brand", "lot__name"),
    "slot": ("slot", "host__name", "slot__name"),
    "media": ("order__media", "order__media__name"),
}


class Median(Aggregate):
    """Of the values that are known."""

    function = "percentile_cont"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


@dataclass(frozen=True)
class Latency:
    """How long calls that write took: counts by power of two of a millisecond."""

    buckets: tuple[int, ...]

    @property
    def calls(self) -> int:
        return sum(self.buckets)

    @property
    def slowest(self) -> float | None:
        """Milliseconds below which 99 of 100 calls stayed: the upper edge of a bucket; the last has none."""
        seen = 0
        for number, count in enumerate(self.buckets):
            seen += count
            if seen and seen >= 0.99 * self.calls:
                return 2.0**number if number < BUCKETS - 1 else None
        return None

    @property
    def bars(self) -> list[tuple[int, int, int]]:
        """Left, top and height of each bar of a drawing 160 wide and 40 high; none is too low to be seen."""
        most = max(self.buckets, default=0)
        heights = [max(2, round(40 * count / most)) if count else 0 for count in self.buckets]
        return [(10 * number, 40 - height, height) for number, height in enumerate(heights) if height]

    @property
    def rows(self) -> list[tuple[int | None, int]]:
        """Upper edge in milliseconds (None: beyond all) and number of calls, without empty ends."""
        used = [number for number, count in enumerate(self.buckets) if count]
        return [
            (2**number if number < BUCKETS - 1 else None, self.buckets[number])
            for number in (range(used[0], used[-1] + 1) if used else ())
        ]


@dataclass(frozen=True)
class Line:
    """What became of cards that have something in common. Rates in bytes per second, None if unknown."""

    name: tuple[str, ...]
    number: int
    accepted: int
    condemned: int
    write: float | None
    worst_write: float | None
    read: float | None
    worst_read: float | None
    latency: Latency

    @property
    def condemned_percent(self) -> float:
        """Of those that were judged."""
        judged = self.accepted + self.condemned
        return 100 * self.condemned / judged if judged else 0.0


@dataclass(frozen=True)
class Statistics:
    """The tables, and the latencies of all cards together."""

    by_lot: list[Line]
    by_slot: list[Line]
    by_media: list[Line]
    latency: Latency


def told(days: int | None = None) -> Tally:
    """The statistics as they are or, if they are of many cards, as they were counted last."""
    if _ended(days).values("pk")[: AT_ONCE + 1].count() <= AT_ONCE:
        return Tally(statistics(days))
    return tallies.look(TALLY, str(days or ""))


def foresee() -> None:
    """What the page shows first is there when somebody comes."""
    told(USUAL)


def count(days: str) -> Statistics:
    """For tallies."""
    return statistics(int(days) if days else None)


def _ended(days: int | None) -> QuerySet[Card]:
    cards = Card.objects.filter(ended_at__isnull=False).order_by()
    return cards.filter(ended_at__gte=clock.now() - timedelta(days=days)) if days else cards


def statistics(days: int | None = None) -> Statistics:
    """Of cards that ended within so many days, or of all."""
    since = clock.now() - timedelta(days=days) if days else None
    cards = _ended(days)
    latencies = _latencies(since)
    lots, slots, media = (_lines(cards, group, latencies) for group in GROUPS)
    return Statistics(lots, slots, media, latencies.get(("all", None), Latency(())))


def lots_in_use() -> list[Lot]:
    """The latest, to choose from."""
    return list(Lot.objects.order_by("-created_at")[:50])


def _lines(cards: QuerySet[Card], group: str, latencies: Mapping[tuple[str, Any], Latency]) -> list[Line]:
    key, *names = GROUPS[group]
    rows = (
        cards.order_by()
        .values(*GROUPS[group])
        .annotate(
            number=Count("pk"),
            accepted=Count("pk", filter=Q(verdict=Card.Verdict.ACCEPTED)),
            condemned=Count("pk", filter=Q(verdict=Card.Verdict.BAD)),
            write=Median("write_rate"),
            worst_write=Min("write_rate"),
            read=Median("read_rate"),
            worst_read=Min("read_rate"),
        )
    )
    return [
        Line(
            name=tuple(row.pop(name) or "" for name in names),
            latency=latencies.get((group, row.pop(key)), Latency(())),
            **row,
        )
        for row in rows.order_by("-number", *names)[:MOST]
    ]


# Facts are what hosts said: only what is a list of numbers is counted.
_LATENCIES = f"""
SELECT grouping(lot_id, slot_id, media_id), lot_id, slot_id, media_id, bucket.ordinality - 1,
    sum(least(greatest((bucket.value #>> '{{{{}}}}')::numeric, 0), {MOST_CALLS}))::bigint
FROM {Card._meta.db_table} card JOIN {{orders}} ordered ON ordered.id = card.order_id,
    jsonb_array_elements(CASE jsonb_typeof(facts #> '{{{{write_latency,buckets}}}}')
        WHEN 'array' THEN facts #> '{{{{write_latency,buckets}}}}' ELSE '[]' END)
        WITH ORDINALITY AS bucket (value, ordinality)
WHERE ended_at IS NOT NULL AND (%(since)s::timestamptz IS NULL OR ended_at >= %(since)s)
    AND jsonb_typeof(bucket.value) = 'number' AND bucket.ordinality <= {BUCKETS}
GROUP BY GROUPING SETS ((5), (lot_id, 5), (slot_id, 5), (media_id, 5))
"""  # noqa: S608  # names of our own tables, constants of our own
_SETS: Final = {0b111: "all", 0b011: "lot", 0b101: "slot", 0b110: "media"}  # what is not grouped by is 1


@cache
def _statement() -> str:
    return _LATENCIES.format(orders=order_model()._meta.db_table)


def _latencies(since: Any) -> dict[tuple[str, Any], Latency]:
    found: dict[tuple[str, Any], list[int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_statement(), {"since": since})
        for mask, lot, slot, media, number, calls in cursor.fetchall():
            group = _SETS[mask]
            key = {"all": None, "lot": lot, "slot": slot, "media": media}[group]
            found.setdefault((group, key), [0] * BUCKETS)[number] = calls
    return {key: Latency(tuple(buckets)) for key, buckets in found.items()}
