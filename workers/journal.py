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

from workers.ballast import Ballast
from workers.contract import Kind, Report
from workers.errors import HostError
from workers.locks import held

BALLAST = 4 * 1024 * 1024  # bytes: some hundred endings, each with its result and the last of its log

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


class JournalError(HostError):
    """The journal cannot be read or written: nothing new may begin."""


class Journal:
    """Shared by the worker processes of a host; each sees the rows of its own kind. Thread-safe.

    Every method raises `JournalError`: `disk_full`, or `journal_failed`. On a full disk nothing begins, but
    what has begun can still be ended, with space that was held back for that.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._path = path
        self._ballast = Ballast(path.with_suffix(".ballast"), BALLAST)
        self._lock = threading.Lock()
        with self._named():
            self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._prepare()

    def _prepare(self) -> None:
        self._db.execute("PRAGMA synchronous = FULL")
        busy = f"{self._path} is held by a process that hangs: stop it."
        with held(self._path.with_suffix(".lock"), patience=30, busy=busy):
            self._db.execute("PRAGMA journal_mode = WAL")  # SQLite does not wait for others here
            self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """End the connection; everything written is on the disk already."""
        with self._lock:
            self._db.close()

    def begin(self, task: str, kind: Kind, boot_id: str, fresh: str = "") -> str:
        """A claim id for the task: of an earlier claim whose answer was lost, else `fresh`, or a new one."""
        self._hold_ballast()
        claim_id = self._unanswered(task, kind)
        if claim_id is None:
            claim_id = fresh or str(uuid.uuid4())
            self._write(
                (
                    "INSERT INTO attempts (claim_id, task, kind, boot_id) VALUES (?, ?, ?, ?)",
                    (claim_id, task, kind, boot_id),
                )
            )
        return claim_id

    def _hold_ballast(self) -> None:
        try:
            held_back = self._ballast.take()
        except OSError as error:
            raise self._failed(error) from error
        if not held_back:
            raise self._full()

    def _unanswered(self, task: str, kind: Kind) -> str | None:
        found = [begun for begun in self.begun(kind) if begun.task == task and begun.attempt is None]
        return found[0].claim_id if found else None

    def claimed(self, claim_id: str, attempt: int, order: str) -> None:
        """The server gave this attempt to us."""
        self._write(
            ("UPDATE attempts SET attempt = ?, order_id = ? WHERE claim_id = ?", (attempt, order, claim_id))
        )

    def child(self, claim_id: str, pid: int, started: int | None) -> None:
        """The process that does the work."""
        self._write(("UPDATE attempts SET pid = ?, started = ? WHERE claim_id = ?", (pid, started, claim_id)))

    def forget(self, claim_id: str) -> None:
        """Nothing more is to be said about this attempt."""
        self._write(("DELETE FROM attempts WHERE claim_id = ?", (claim_id,)))

    def owe(self, claim_id: str, message: Owed) -> None:
        """The attempt is over and the server must hear of it: one transaction."""
        self._write(
            ("DELETE FROM attempts WHERE claim_id = ?", (claim_id,)),
            (
                "INSERT INTO owed (event_id, task, kind, call, body) VALUES (?, ?, ?, ?, ?)",
                (message.event_id, message.task, message.kind, message.call, json.dumps(message.body)),
            ),
        )

    def taken(self, event_id: str) -> None:
        """The server has heard it."""
        self._write(("DELETE FROM owed WHERE event_id = ?", (event_id,)))

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
        with self._lock, self._named(), closing(self._db.execute(query, (kind,))) as cursor:
            return cursor.fetchall()

    def _write(self, *statements: tuple[str, tuple[object, ...]]) -> None:
        """All of it, or nothing. On a full disk once more, with the space that was held back."""
        with self._lock, self._named():
            try:
                self._transact(statements)
            except sqlite3.OperationalError as error:
                if not _is_full(error):
                    raise
                self._ballast.drop()
                self._transact(statements)

    def _transact(self, statements: tuple[tuple[str, tuple[object, ...]], ...]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for statement, values in statements:
                self._db.execute(statement, values)
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:  # SQLite itself takes back what did not fit
                self._db.execute("ROLLBACK")

    @contextmanager
    def _named(self) -> Iterator[None]:
        """SQLite's errors in words that say what to do."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise self._full() if _is_full(error) else self._failed(error) from error

    def _full(self) -> JournalError:
        return JournalError(
            "disk_full",
            f"The disk of {self._path} is full, so nothing can be written down there: free at least "
            f"{BALLAST} bytes. Until then this host begins nothing.",
        )

    def _failed(self, error: Exception) -> JournalError:
        return JournalError(
            "journal_failed",
            f"The journal {self._path} cannot be used ({error}): look at this host's disk. "
            "Until then this host begins nothing.",
        )


def _is_full(error: sqlite3.OperationalError) -> bool:
    """`disk I/O error`, too, where there is no room for the memory that the processes share."""
    return error.sqlite_errorcode in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
