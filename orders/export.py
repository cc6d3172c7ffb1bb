"""Orders as CSV: row after row, however many there are, and nothing in it that a spreadsheet would run."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from django.db.models import QuerySet

from orders.models import Order

AT_ONCE: Final = 1000
BEGINS_A_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")

COLUMNS: Final[dict[str, Callable[[Order], Any]]] = {
    "number": lambda order: order.number,
    "id": lambda order: order.pk,
    "ordered": lambda order: order.created_at,
    "status": lambda order: order.status,
    "failed_while": lambda order: order.failed_stage,
    "failure": lambda order: order.failure,
    "priority": lambda order: order.priority,
    "organization": lambda order: order.organization.slug,
    "channel": lambda order: order.organization.channel.slug,
    "ordered_by": lambda order: order.created_by.email if order.created_by else "",
    "kind": lambda order: order.kind,
    "media": lambda order: order.media.name,
    "quantity": lambda order: order.quantity,
    "units": lambda order: order.units,
    "configuration": lambda order: order.name,
    "image_bytes": lambda order: order.image_bytes,
    "recipient": lambda order: order.recipient_name,
    "recipient_email": lambda order: order.recipient_email,
    "recipient_phone": lambda order: order.recipient_phone,
    "recipient_address": lambda order: order.recipient_address,
    "recipient_postal_code": lambda order: order.recipient_postal_code,
    "recipient_city": lambda order: order.recipient_city,
    "recipient_country": lambda order: order.recipient_country,
    "tracking": lambda order: order.tracking,
    "shipped": lambda order: order.shipped_at,
}


class _Line:
    """A file that hands back what is written."""

    def write(self, text: str) -> str:
        return text


def lines(orders: QuerySet[Order]) -> Iterator[str]:
    """A line of names, then one per order. Memory stays the same; the database is read piece by piece."""
    writer = csv.writer(_Line())
    yield "\ufeff" + writer.writerow(COLUMNS)  # spreadsheets take it for UTF-8 then
    for order in _read(orders):
        yield writer.writerow([cell(column(order)) for column in COLUMNS.values()])


def cell(value: Any) -> Any:
    """A value as it stands in the file. A quote before text keeps spreadsheets from running it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, str) and value.lstrip(" ").startswith(BEGINS_A_FORMULA):
        return f"'{value}"
    return value


def _read(orders: QuerySet[Order]) -> Iterable[Order]:
    with_all = orders.select_related("organization__channel", "created_by", "media")
    return with_all.defer("recipe", "contents").iterator(chunk_size=AT_ONCE)
