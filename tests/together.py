"""Several at the same moment: real threads, each with a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection

WAITERS = """
SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))
"""
PATIENCE = 60  # seconds until a test gives up; no test waits for it when all is well


def alone(action: Callable[[], Any]) -> Any:
    """`action` in this thread, whose connection is closed afterwards."""
    try:
        return action()
    finally:
        connection.close()


def somebody_waits_for_me() -> bool:
    """Whether another session waits for a lock that this one holds."""
    with connection.cursor() as cursor:
        cursor.execute(WAITERS)
        return bool(cursor.fetchone()[0])


def together(*actions: Callable[[], Any]) -> list[Any]:
    """What each returned, or the exception that it raised; all are begun at the same moment."""
    start = threading.Barrier(len(actions))

    def run(action: Callable[[], Any]) -> Any:
        connection.ensure_connection()
        start.wait(PATIENCE)
        return action()

    with ThreadPoolExecutor(len(actions)) as pool:
        futures = [pool.submit(alone, lambda action=action: run(action)) for action in actions]
        return [future.exception(PATIENCE) or future.result() for future in futures]
