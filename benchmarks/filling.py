"""Rows by the million, made by the database itself.

Every row is a copy of one that Django made, with what differs put in its place: a column that is added later
needs no line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import connection, models


def copies(first: models.Model, count: int, **differing: str) -> None:
    """`count` copies of a row; `n` counts them from 1."""
    fill(first, "FROM generate_series(1, %s) n", [count], differing)


def fill(first: models.Model, source: str, values: list[Any], differing: Mapping[str, str]) -> None:
    """Copies of a row, one for each row of `source`."""
    meta = first._meta
    columns = [field.column for field in meta.concrete_fields]
    columns = [column for column in columns if column != "id" or "id" in differing]
    table, key = meta.db_table, meta.pk.column if meta.pk else "id"
    chosen = ", ".join(
        f"({differing[c].replace('%', '%%')})" if c in differing else f't."{c}"' for c in columns
    )
    named = ", ".join(f'"{column}"' for column in columns)
    where, _, condition = source.partition(" WHERE ")
    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{table}" ({named}) SELECT {chosen} {where}, "{table}" t '
            f'WHERE t."{key}" = %s' + (f" AND {condition}" if condition else ""),
            [*values[: where.count("%s")], first.pk, *values[where.count("%s") :]],
        )
