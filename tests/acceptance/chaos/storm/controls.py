"""Walls of the product, taken down from outside: the storm must notice. The product knows nothing of this."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any
from uuid import UUID


def switch_off(name: str) -> None:
    """In this process, the wall `name`; nothing for an empty name."""
    if name:
        WALLS[name]()


def _no_fence() -> None:
    """Any attempt of a task counts, however old."""
    from tasks_app.lifecycle import TaskStatus
    from tasks_app.services import attempts, publishing

    def current(task: Any, _host: Any, _attempt: int) -> bool:
        return bool(task.status == TaskStatus.RUNNING)

    attempts.current = publishing.current = current


def _no_row_lock() -> None:
    """Nobody waits for anybody: rows are read as they are."""
    from imager.accounts import ledger
    from imager.accounts.models import Organization
    from orders import flow
    from orders.models import Order
    from tasks_app.models import Task
    from tasks_app.services import attempts, cards, moving, publishing, relocating, sweeping

    def lock(task_id: UUID) -> Task:
        return Task.objects.select_related("host", "slot", "channel").get(pk=task_id)

    def lock_order(order_id: UUID) -> Order:
        return Order.objects.select_related("organization__channel", "created_by", "media").get(pk=order_id)

    for module in (attempts, cards, moving, publishing, relocating, sweeping):
        if hasattr(module, "lock"):
            module.lock = lock

    def hold(organization_id: int) -> Organization:
        return Organization.objects.get(pk=organization_id)

    moving.lock_order = lock_order
    ledger.hold = hold
    flow.lock = lock_order


def _no_slot_lock() -> None:
    """Two processes may open the card of one slot, and two workers work in one data folder."""
    from workers.writer import card, slots

    def free(_slot: Any, _lock_dir: Any) -> int:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    slots._lock = free
    card._lock = lambda *_: None


def drop_constraints(database: Any) -> list[str]:
    """Every unique constraint and index of ours but the primary keys; their names."""
    dropped = []
    tables = "relname LIKE 'tasks_app_%' OR relname LIKE 'orders_%' OR relname LIKE 'warehouse_%'"
    query = f"""
        SELECT t.relname AS table, i.relname AS name, c.conname AS constraint
        FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
        JOIN (SELECT * FROM pg_class WHERE {tables}) t ON t.oid = x.indrelid
        LEFT JOIN pg_constraint c ON c.conindid = x.indexrelid AND c.contype = 'u'
        WHERE x.indisunique AND NOT x.indisprimary AND i.relname <> 'slot_name_once_per_host'"""  # noqa: S608 - constants
    for row in database.execute(query).fetchall():
        if row["constraint"]:
            database.execute(f'ALTER TABLE {row["table"]} DROP CONSTRAINT "{row["constraint"]}" CASCADE')
        else:
            database.execute(f'DROP INDEX "{row["name"]}"')
        dropped.append(str(row["name"]))
    return dropped


OF_HOSTS = frozenset({"slot lock"})
WALLS: dict[str, Callable[[], None]] = {
    "fence": _no_fence,
    "row lock": _no_row_lock,
    "slot lock": _no_slot_lock,
    "constraints": lambda: None,  # the driver drops them, once for all
}
