"""What must hold when the dust has settled, read from the database and the disks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from psycopg.rows import dict_row

from imager.stack import Line

UNIQUE = {
    "a unit has two accepted cards": """
        SELECT order_id, unit FROM tasks_app_card WHERE verdict = 'accepted'
        GROUP BY order_id, unit HAVING count(*) > 1""",
    "an insertion has two accepted cards": """
        SELECT slot_id, boot_id, diskseq FROM tasks_app_card WHERE verdict = 'accepted'
        GROUP BY slot_id, boot_id, diskseq HAVING count(*) > 1""",
    "two attempts wrote in one slot at once": """
        SELECT one.serial, other.serial FROM tasks_app_card one JOIN tasks_app_card other
        ON one.slot_id = other.slot_id AND one.id < other.id
        AND one.permitted_at < other.ended_at AND other.permitted_at < one.ended_at""",
    "a card is neither accepted nor given up": """
        SELECT serial FROM tasks_app_card WHERE verdict = 'writing'""",
    "an attempt never ended": "SELECT task_id, attempt FROM tasks_app_attempt WHERE ended_at IS NULL",
    "a task is stuck": """
        SELECT id, kind, status, step FROM tasks_app_task WHERE status IN ('waiting', 'queued', 'running')""",
    "a mail was not sent": "SELECT dedupe, last_error FROM tasks_app_outbox WHERE sent_at IS NULL",
    "an attempt began before the one before it had ended": """
        SELECT one.task_id, one.attempt FROM tasks_app_attempt one JOIN tasks_app_attempt other
        ON one.task_id = other.task_id AND other.attempt = one.attempt + 1
        WHERE one.ended_at IS NULL OR other.started_at < one.ended_at""",
    "a task is done without a done attempt": """
        SELECT id FROM tasks_app_task task WHERE status = 'done' AND NOT EXISTS (
        SELECT FROM tasks_app_attempt a
        WHERE a.task_id = task.id AND a.attempt = task.attempt AND a.outcome = 'done')""",
    "two attempts of a task are done": """
        SELECT task_id FROM tasks_app_attempt WHERE outcome = 'done' GROUP BY task_id HAVING count(*) > 1""",
}


def connect(line: Line) -> psycopg.Connection[dict[str, Any]]:
    """To the line's database."""
    return psycopg.connect(line.servers.database_url, row_factory=dict_row, autocommit=True)


def violations(line: Line, wanted: Mapping[str, str]) -> Iterator[str]:
    """Each as a sentence. `wanted`: the status that each order deserves."""
    with connect(line) as database:
        for sentence, query in UNIQUE.items():
            for row in database.execute(query):
                yield f"{sentence}: {row}"
        orders = {str(row["id"]): row for row in database.execute("SELECT * FROM orders_order")}
        for order, status in wanted.items():
            if orders[order]["status"] != status:
                yield f"order {order} is {orders[order]['status']}, deserved was {status}"
        yield from cards(database, wanted)
    yield from leftovers(line)


def cards(database: psycopg.Connection[dict[str, Any]], wanted: Mapping[str, str]) -> Iterator[str]:
    """A unit of a finished order without its card."""
    query = """
        SELECT o.id, o.quantity, count(c.id) AS accepted FROM orders_order o
        LEFT JOIN tasks_app_card c ON c.order_id = o.id AND c.verdict = 'accepted'
        WHERE o.status = 'ready_to_ship' GROUP BY o.id HAVING count(c.id) <> o.quantity"""
    for row in database.execute(query):
        if str(row["id"]) in wanted:
            yield f"order {row['id']}: {row['accepted']} cards accepted, ordered were {row['quantity']}"


def leftovers(line: Line) -> Iterator[str]:
    """Files that nobody works on."""
    for pattern in ("hosts/creator-*/work/*", "warehouse/incoming/*", "hosts/*/images/*/*.part"):
        for path in line.var.glob(pattern):
            yield f"left on the disk: {path.relative_to(line.var)}"
