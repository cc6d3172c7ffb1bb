"""Which content is chosen and ordered how often. Counted by the database, over copies that orders keep."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection, transaction
from django.db.models import Count, Q

from orders.lifecycle import OrderStatus
from orders.models import Content, Order

LEAST: Final = 10  # of the most popular one's count: what has less than a tenth of it is left out


@dataclass(frozen=True)
class Popularity:
    """A content: in how many configurations it is now; in how many orders, cards and downloads it was.

    Canceled orders do not count. `title`: as it was ordered last, or as the catalogue has it.
    """

    ident: str
    title: str
    kind: str  # empty: the catalogue does not know it any more
    available: bool
    configurations: int
    orders: int
    cards: int
    downloads: int
    last_ordered: datetime | None


_ORDERED = f"""
SELECT coalesce(nullif(each ->> 'ident', ''), each ->> 'path') AS ident,
    (array_agg(each ->> 'title' ORDER BY created_at DESC))[1],
    count(*),
    coalesce(sum(quantity) FILTER (WHERE kind = '{Order.Kind.PHYSICAL}'), 0),
    count(*) FILTER (WHERE kind = '{Order.Kind.VIRTUAL}'),
    max(created_at)
FROM {Order._meta.db_table}, jsonb_array_elements(contents) AS each
WHERE status <> '{OrderStatus.CANCELED}'
    AND (%(begin)s::timestamptz IS NULL OR created_at >= %(begin)s)
    AND (%(end)s::timestamptz IS NULL OR created_at < %(end)s)
GROUP BY 1
"""  # noqa: S608  # the name of our own table, constants of our own


def popularity(
    begin: datetime | None = None, end: datetime | None = None, kind: str = ""
) -> list[Popularity]:
    """Contents by how often they were ordered from `begin` until before `end`, the most popular one first.

    Two queries, however many orders and contents there are.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")  # all orders of all years; nobody waits for a page
        cursor.execute(_ORDERED, {"begin": begin, "end": end})
        ordered = {row[0]: row[1:] for row in cursor.fetchall()}
    chosen = Count("configurations", filter=Q(configurations__deleted_at=None))
    known = {
        content.ident: content
        for content in Content.objects.annotate(chosen=chosen)
        .filter(Q(chosen__gt=0) | Q(ident__in=ordered))
        .only("ident", "title", "kind", "active", "missing_since")
    }
    rows = [_row(ident, ordered.get(ident), known.get(ident)) for ident in ordered.keys() | known.keys()]
    wanted = [row for row in rows if not kind or row.kind == kind]
    return sorted(wanted, key=lambda row: (-row.orders, -row.configurations, row.ident))


def most(rows: list[Popularity]) -> list[Popularity]:
    """Those with at least a tenth of what the most popular one has: of orders, or of configurations."""
    orders = max((row.orders for row in rows), default=0)
    configurations = max((row.configurations for row in rows), default=0)
    return [
        row
        for row in rows
        if (row.orders and row.orders * LEAST >= orders)
        or (row.configurations and row.configurations * LEAST >= configurations)
    ]


def _row(
    ident: str, ordered: tuple[str, int, int, int, datetime] | None, content: Content | None
) -> Popularity:
    title, orders, cards, downloads, last = ordered or ("", 0, 0, 0, None)
    return Popularity(
        ident=ident,
        title=title or (content.title if content else ""),
        kind=content.kind if content else "",
        available=content is not None and content.available,
        configurations=getattr(content, "chosen", 0),
        orders=orders,
        cards=cards,
        downloads=downloads,
        last_ordered=last,
    )
