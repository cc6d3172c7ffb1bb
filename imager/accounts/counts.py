"""Counts of attempts, in the table of the shared cache."""

from __future__ import annotations

from django.db import connection


def prune_counts() -> int:
    """Delete the rows that are over; returns how many. Safe to run at any time.

    The cache does it only when it is full, and counts all its rows with each attempt.
    """
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_cache WHERE expires < clock_timestamp()")
        return int(cursor.rowcount)
