"""Statements that run thousands of times a minute: planned once per connection, with no query builder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from django.db import connection
from psycopg.types.numeric import Int8

SOON = 0  # the first time, too: what comes here comes often


def row(statement: str, given: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """Run `statement` on Django's own connection, in its transaction if there is one; the first row.

    Raises Django's database errors.
    """
    connection.ensure_connection()
    raw = connection.connection
    raw.prepare_threshold = SOON  # Django's own cursors bind on our side and never prepare
    values = {name: Int8(value) if type(value) is int else value for name, value in given.items()}
    with connection.wrap_database_errors, psycopg.Cursor(raw) as cursor:
        cursor.execute(statement, values)
        found: tuple[Any, ...] | None = cursor.fetchone()
        return found
