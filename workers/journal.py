"""What this host has begun and what it still owes the server: SQLite, on the disk before any effect."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from workers.contract import Kind, Report
from workers.locks import held

_SCHEMA = """
CREATE TABLE IF NOT EXISTS attempts (
    claim_id TEXT PRIMARY KEY,
    task TEXT NOT NULL,
    kind TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    attempt INTEGER,
    order_id TEXT NOT NULL DEFAULT '',
    pid INTEGER,
    started INTEGER
);
CREATE TABLE IF NOT EXISTS owed (
    event_id TEXT PRIMARY KEY,
    task TEXT NOT NULL,
    kind TEXT NOT NULL,
    call TEXT NOT NULL CHECK (call IN ('report', 'release')),
    body TEXT NOT NULL
);
"""


class Call(StrEnum):
    """Which call an owed message belongs to."""

    REPORT = "report"
    RELEASE = "release"


@dataclass(frozen=True)
class Begun:
    """An attempt in the journal; `attempt` is None while the claim's answer is not known."""

    claim_id: str
    task: str
    kind: Kind
    boot_id: str
    attempt: int | None
    order: str
    pid: int | None
    started: int | None


@dataclass(frozen=True)
class Owed:
    """A message that the server has not yet taken. Its `event_id` never changes."""

    event_id: str
    task: str
    kind: Kind
    call: Call
    body: dict[str, Any]


def final(task: str, kind: Kind, report: Report) -> Owed:
    """The last report of an attempt, to be owed."""
    return Owed(report["event_id"], task, kind, Call.REPORT, dict(report))


def release(task: str, kind: Kind, attempt: int) -> Owed:
    """The unfinished task given back, to be owed."""
    event_id = str(uuid.uuid4())
    return Owed(event_id, task, kind, Call.RELEASE, {"event_id": event_id, "attempt": attempt})


class Journal:
    """Shared by the worker processes of a host; each sees the rows of its own kind. Thread-safe."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._lock = threading.Lock()
        self._db.execute("PRAGMA synchronous = FULL")
        with held(
            path.with_suffix(".lock"), patience=30, busy=f"{path} is held by a process that hangs: stop it."
        ):
            self._db.execute("PRAGMA journal_mode = WAL")  # SQLite does not wait for others here
            self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """End the connection; everything written is on the disk already."""
        with self._lock:
            self._db.close()

    def begin(self, task: str, kind: Kind, boot_id: str) -> str:
        """A claim id for the task: the one of an earlier claim whose answer was lost, or a new one."""
        with self._transaction() as db:
            row = db.execute(
                "SELECT claim_id FROM attempts WHERE task = ? AND kind = ? AND attempt IS NULL", (task, kind)
            ).fetchone()
            if row:
                return str(row[0])
            claim_id = str(uuid.uuid4())
            db.execute(
                "INSERT INTO attempts (claim_id, task, kind, boot_id) VALUES (?, ?, ?, ?)",
                (claim_id, task, kind, boot_id),
            )
            return claim_id

    def claimed(self, claim_id: str, attempt: int, order: str) -> None:
        """The server gave this attempt to us."""
        with self._transaction() as db:
            db.execute(
                "UPDATE attempts SET attempt = ?, order_id = ? WHERE claim_id = ?", (attempt, order, claim_id)
            )

    def child(self, claim_id: str, pid: int, started: int | None) -> None:
        """The process that does the work."""
        with self._transaction() as db:
            db.execute(
                "UPDATE attempts SET pid = ?, started = ? WHERE claim_id = ?", (pid, started, claim_id)
            )

    def forget(self, claim_id: str) -> None:
        """Nothing more is to be said about this attempt."""
        with self._transaction() as db:
            db.execute("DELETE FROM attempts WHERE claim_id = ?", (claim_id,))

    def owe(self, claim_id: str, message: Owed) -> None:
        """The attempt is over and the server must hear of it: one transaction."""
        with self._transaction() as db:
            db.execute("DELETE FROM attempts WHERE claim_id = ?", (claim_id,))
            db.execute(
                "INSERT INTO owed (event_id, task, kind, call, body) VALUES (?, ?, ?, ?, ?)",
                (message.event_id, message.task, message.kind, message.call, json.dumps(message.body)),
            )

    def taken(self, event_id: str) -> None:
        """The server has heard it."""
        with self._transaction() as db:
            db.execute("DELETE FROM owed WHERE event_id = ?", (event_id,))

    def begun(self, kind: Kind) -> list[Begun]:
        """Attempts that are not over, oldest first."""
        rows = self._rows(
            "SELECT claim_id, task, boot_id, attempt, order_id, pid, started FROM attempts"
            " WHERE kind = ? ORDER BY rowid",
            kind,
        )
        return [Begun(row[0], row[1], kind, *row[2:]) for row in rows]

    def owed(self, kind: Kind) -> list[Owed]:
        """Messages that the server has not taken, oldest first."""
        rows = self._rows("SELECT event_id, task, call, body FROM owed WHERE kind = ? ORDER BY rowid", kind)
        return [Owed(row[0], row[1], kind, Call(row[2]), json.loads(row[3])) for row in rows]

    def _rows(self, query: str, kind: Kind) -> list[Any]:
        with self._lock, closing(self._db.execute(query, (kind,))) as cursor:
            return cursor.fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
