"""What must hold when the storm is over: in the database, the witness log, the mails and on the disks."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.acceptance.chaos import invariants

from . import labour, told
from .line import StormLine
from .mails import Sink
from .people import People

QUERIES = {
    **invariants.UNIQUE,
    "an event was taken in from an attempt that had ended otherwise": """
        SELECT e.task_id, e.attempt, e.what, a.outcome FROM tasks_app_taskevent e
        JOIN tasks_app_attempt a ON a.task_id = e.task_id AND a.attempt = e.attempt
        WHERE (e.what = 'outcome:done' AND a.outcome <> 'done' AND a.outcome <> 'canceled'
            AND NOT EXISTS (SELECT FROM tasks_app_task t WHERE t.id = e.task_id AND t.status = 'canceled'))
        OR (e.what = 'release' AND a.outcome NOT IN ('released', 'canceled'))
        OR (e.what = 'outcome:failed' AND a.outcome NOT IN ('failed', 'canceled'))""",
    "two endings of one attempt": """
        SELECT task_id, attempt FROM tasks_app_taskevent WHERE what LIKE 'outcome:%' OR what = 'release'
        GROUP BY task_id, attempt HAVING count(*) > 1""",
    "a card was permitted to one attempt and counted for another": """
        SELECT c.serial FROM tasks_app_card c JOIN tasks_app_taskevent e
        ON e.what = 'permit' AND e.answer ->> 'serial' = c.serial
        WHERE (e.task_id, e.attempt) <> (c.task_id, c.attempt)""",
    "attempts are missing or double": """
        SELECT t.id, t.attempt, count(a.id) FROM tasks_app_task t
        LEFT JOIN tasks_app_attempt a ON a.task_id = t.id
        GROUP BY t.id HAVING count(a.id) <> t.attempt OR count(DISTINCT a.attempt) <> t.attempt""",
    "an order has two tasks for one piece of work": """
        SELECT order_id, kind, unit FROM tasks_app_task GROUP BY 1, 2, 3 HAVING count(*) > 1""",
    "two orders have one key": """
        SELECT idempotency_key FROM orders_order WHERE idempotency_key IS NOT NULL
        GROUP BY organization_id, idempotency_key HAVING count(*) > 1""",
    "a finished order has not its cards": """
        SELECT o.id, o.quantity, count(c.id) FROM orders_order o
        LEFT JOIN tasks_app_card c ON c.order_id = o.id AND c.verdict = 'accepted'
        WHERE o.status = 'ready_to_ship' GROUP BY o.id HAVING count(c.id) <> o.quantity""",
    "a finished order has not its one image": """
        SELECT o.id, count(f.id) FROM orders_order o
        LEFT JOIN warehouse_storedfile f ON f.owner = o.id AND f.status = 'published'
        WHERE o.status IN ('ready_to_ship', 'available')
        GROUP BY o.id HAVING count(f.id) <> 4 + (o.kind = 'virtual')::int""",
    "a canceled order has an image still": """
        SELECT o.id FROM orders_order o
        JOIN warehouse_storedfile f ON f.owner = o.id AND f.status <> 'removed'
        WHERE o.status = 'canceled'""",
}

AT_LAST = frozenset(  # what may be so while the storm blows
    {
        "a card is neither accepted nor given up",
        "an attempt never ended",
        "a task is stuck",
        "a mail was not sent",
        "a finished order has not its one image",
        "a canceled order has an image still",
    }
)


def never(database: Any) -> Iterator[str]:
    """What must not be seen even in the middle of the storm."""
    for sentence, query in QUERIES.items():
        if sentence not in AT_LAST:
            for row in database.execute(query).fetchall():
                yield f"{sentence}: {row}"


def violations(line: StormLine, people: People, sink: Sink) -> list[str]:
    """Each as a sentence."""
    with line.database() as database:
        found = [
            f"{sentence}: {row}"
            for sentence, query in QUERIES.items()
            for row in database.execute(query).fetchall()
        ]
        found += _orders(database, people)
        found += _cards(database, line, people)
        found += _mails(database, sink, line)
    return [*people.found, *found, *_built(line), *_leftovers(line)]


def _orders(database: Any, people: People) -> Iterator[str]:
    for row in database.execute("SELECT id, status FROM orders_order").fetchall():
        deserved = people.wanted.get(str(row["id"]), "never to be placed")
        if row["status"] != deserved:
            yield f"order {row['id']} is {row['status']}, deserved was {deserved}"


def _cards(database: Any, line: StormLine, people: People) -> Iterator[str]:
    """Each insertion is written once, by the attempt that was permitted, for the unit that it counts for."""
    writings = labour.witnessed(line.var / "witness.log")
    times = Counter(writing.diskseq for writing in writings)
    for diskseq, count in times.items():
        if count > 1:
            yield f"the card {diskseq} was written {count} times"
    known = {(each.diskseq, each.task, each.attempt): each for each in writings}
    builders = {
        str(row["order_id"]): f"{row['id']}.{row['attempt']}"
        for row in database.execute(
            "SELECT id, order_id, attempt FROM tasks_app_task WHERE kind = 'create'"
        ).fetchall()
    }
    for row in database.execute("SELECT * FROM tasks_app_card WHERE verdict = 'accepted'").fetchall():
        writing = known.get((row["diskseq"], str(row["task_id"]), row["attempt"]))
        if not writing or not writing.ended:
            yield f"card {row['serial']} was accepted, but not written to its end"
        elif (writing.order, writing.unit) != (str(row["order_id"]), row["unit"]):
            yield f"card {row['serial']} was written as unit {writing.unit} of order {writing.order}"
        builder = people.shipped.get((str(row["order_id"]), row["unit"]))
        if builder and builder != builders[str(row["order_id"])]:
            yield f"card {row['serial']} holds the image of {builder}"


def _mails(database: Any, sink: Sink, line: StormLine) -> Iterator[str]:
    """Every deserved mail arrived; one event made one mail; copies only where their sender was killed."""
    deserved = {
        _ident(row["dedupe"]) for row in database.execute("SELECT dedupe FROM tasks_app_outbox").fetchall()
    }
    for ident in deserved - sink.copies.keys():
        yield f"a mail never arrived: {ident}"
    for ident in sink.copies.keys() - deserved:
        yield f"a mail that nobody ordered: {ident}"
    yield from told.wrong(database)


def _ident(dedupe: str) -> str:
    return f"<{dedupe.replace(':', '.')}@imager>"


def copies(sink: Sink) -> int:
    """Mails that SMTP brought more than once: their sender died between the 250 and its commit."""
    return sum(count - 1 for count in sink.copies.values())


def _built(line: StormLine) -> Iterator[str]:
    for folder in line.var.glob("hosts/*/built"):
        if len(waiting := list(folder.iterdir())) > 1:
            yield f"{len(waiting)} finished images wait at {folder.parent.name}: one is kept at most"


def _leftovers(line: StormLine) -> Iterator[str]:
    for pattern in ("hosts/*/work/*", "hosts/*/images/*/*.part", "hosts/*/images/*", "warehouse/incoming/*"):
        for path in line.var.glob(pattern):
            yield f"left on the disk: {path.relative_to(line.var)}"
    for journal in line.var.glob("hosts/*/journal.db"):
        with sqlite3.connect(journal, timeout=30) as database:
            for table in ("attempts", "owed"):
                for row in database.execute(f"SELECT * FROM {table}"):  # noqa: S608 - two constants
                    yield f"left in the journal of {journal.parent.name}: {table} {row}"
        database.close()
    with line.database() as database:
        rows = database.execute("SELECT id FROM orders_order WHERE status IN ('ready_to_ship', 'available')")
        there = {str(row["id"]) for row in rows.fetchall()}
    for folder in line.var.glob("warehouse/images/*"):
        if folder.name not in there:
            yield f"the warehouse keeps an image that nobody wants: {folder.name}"
    for order in there - {folder.name for folder in line.var.glob("warehouse/images/*")}:
        yield f"the warehouse has no image of order {order}"
