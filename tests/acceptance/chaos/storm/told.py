"""Which mails were deserved, read from the moves of the orders: each move is told, and none twice.

The same words may come again: whoever retries an order has its operator asked for cards once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.acceptance.chaos import remains

POSTED = """
    SELECT o.dedupe, o.payload ->> 'subject' AS subject, o.payload -> 'to' ->> 0 AS addressee, m.id AS move,
        m.subject_id AS order, m.came_from, m.went_to
    FROM tasks_app_outbox o LEFT JOIN orders_ordermove m ON m.id =
        CASE WHEN o.dedupe ~ '^order-move-[0-9]+-' THEN split_part(o.dedupe, '-', 3)::bigint END
    ORDER BY o.id"""
UNTOLD = """
    SELECT m.id, m.subject_id AS order, m.came_from, m.went_to FROM orders_ordermove m
    WHERE m.went_to = ANY(%s) AND NOT EXISTS (
        SELECT FROM tasks_app_outbox o WHERE starts_with(o.dedupe, 'order-move-' || m.id || '-'))"""


def wrong(database: Any) -> Iterator[str]:
    """Each mail that nobody deserved, and each move that nobody was told of."""
    of_move: set[tuple[int, str]] = set()
    at_first: set[tuple[str, str, str]] = set()  # into a stage, but not by a retry
    for row in database.execute(POSTED).fetchall():
        to, said = row["addressee"], f"{row['addressee']} was told: {row['subject']} ({row['dedupe']})"
        if row["move"] is None:
            yield f"of no move {said}"
            continue
        if (row["move"], to) in of_move:
            yield f"twice of one move {said}"
            continue
        of_move.add((row["move"], to))
        stage = (str(row["order"]), row["went_to"], to)
        if row["came_from"] != "failed" and row["went_to"] != "failed":
            if stage in at_first:
                yield f"again, and nothing had failed, {said}"
            at_first.add(stage)
    for row in database.execute(UNTOLD, [list(remains.TOLD)]).fetchall():
        yield f"nobody was told of a move: {row}"
