"""The journal keeps what was begun and what is owed, over processes and crashes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from workers.contract import Fault, Kind
from workers.journal import BALLAST, Call, Journal, JournalError, final, release

TASK = "3f0e9a52-8d5a-4b5c-9a6b-0c5f8f6f1a11"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal(path)
    yield journal
    journal.close()


def test_from_claim_to_taken(journal: Journal) -> None:
    claim_id = journal.begin(TASK, Kind.CREATE, "boot-1")
    (begun,) = journal.begun(Kind.CREATE)
    assert (begun.task, begun.claim_id, begun.boot_id, begun.attempt, begun.pid) == (
        TASK,
        claim_id,
        "boot-1",
        None,
        None,
    )
    journal.claimed(claim_id, 3, "order-1")
    journal.child(claim_id, 4711, 99)
    (begun,) = journal.begun(Kind.CREATE)
    assert (begun.attempt, begun.order, begun.pid, begun.started) == (3, "order-1", 4711, 99)
    journal.owe(
        claim_id,
        final(TASK, Kind.CREATE, {"event_id": "e1", "attempt": 3, "step": "building", "outcome": "done"}),
    )
    assert journal.begun(Kind.CREATE) == []
    (owed,) = journal.owed(Kind.CREATE)
    assert (owed.event_id, owed.call, owed.body["outcome"]) == ("e1", Call.REPORT, "done")
    journal.taken("e1")
    journal.taken("e1")
    assert journal.owed(Kind.CREATE) == []


def test_a_claim_without_an_answer_keeps_its_id(journal: Journal) -> None:
    first = journal.begin(TASK, Kind.CREATE, "boot-1")
    assert journal.begin(TASK, Kind.CREATE, "boot-1") == first
    journal.claimed(first, 1, "order-1")
    assert journal.begin(TASK, Kind.CREATE, "boot-1") != first


def test_a_refused_claim_leaves_nothing(journal: Journal) -> None:
    journal.forget(journal.begin(TASK, Kind.CREATE, "boot-1"))
    assert journal.begun(Kind.CREATE) == []


def test_workers_of_one_host_see_their_own_rows(journal: Journal) -> None:
    journal.begin(TASK, Kind.DOWNLOAD, "boot-1")
    journal.owe("", release(TASK, Kind.DOWNLOAD, 1))
    assert journal.begun(Kind.WRITE) == []
    assert journal.owed(Kind.WRITE) == []
    assert len(journal.begun(Kind.DOWNLOAD)) == len(journal.owed(Kind.DOWNLOAD)) == 1


def test_messages_are_owed_in_the_order_of_their_making(journal: Journal) -> None:
    made = [release(TASK, Kind.WRITE, attempt) for attempt in range(1, 8)]
    for message in made:
        journal.owe("", message)
    journal.taken(made[3].event_id)
    del made[3]
    assert journal.owed(Kind.WRITE) == made


def test_the_ending_and_the_message_are_one_transaction(journal: Journal) -> None:
    claim_id = journal.begin(TASK, Kind.WRITE, "boot-1")
    message = release(TASK, Kind.WRITE, 1)
    journal.owe("", message)
    with pytest.raises(Exception, match="UNIQUE"):
        journal.owe(claim_id, message)
    assert [begun.claim_id for begun in journal.begun(Kind.WRITE)] == [claim_id]


class TestNoRoom:
    """A database that may not grow: what SQLite says is what it says on a full disk."""

    @pytest.fixture
    def full(self, journal: Journal) -> Journal:
        (pages,) = journal._db.execute("PRAGMA page_count").fetchone()
        journal._db.execute(f"PRAGMA max_page_count = {pages}")
        return journal

    def owe(self, journal: Journal, claim_id: str, size: int) -> None:
        log = {"offset": 0, "text": "x" * size}
        ending = {"event_id": claim_id, "attempt": 1, "step": "writing", "outcome": "done", "log": log}
        journal.owe(claim_id, final(TASK, Kind.WRITE, ending))  # type: ignore[arg-type]

    def test_it_is_named_and_nothing_is_half_done(self, full: Journal, path: Path) -> None:
        claim_id = full.begin(TASK, Kind.WRITE, "boot-1")
        with pytest.raises(JournalError, match=f"The disk of {path} is full.* begins nothing") as trouble:
            self.owe(full, claim_id, 200_000)
        assert (trouble.value.fault, trouble.value.code) == (Fault.HOST, "disk_full")
        assert [begun.claim_id for begun in full.begun(Kind.WRITE)] == [claim_id]
        assert full.owed(Kind.WRITE) == []

    def test_it_can_be_used_again_at_once(self, full: Journal) -> None:
        claim_id = full.begin(TASK, Kind.WRITE, "boot-1")
        with pytest.raises(JournalError):
            self.owe(full, claim_id, 200_000)
        full._db.execute("PRAGMA max_page_count = 1000000")
        self.owe(full, claim_id, 200_000)
        assert full.begun(Kind.WRITE) == []
        assert len(full.owed(Kind.WRITE)) == 1

    def test_the_space_that_was_held_back_is_given_up_and_taken_again(
        self, full: Journal, path: Path
    ) -> None:
        ballast = path.with_suffix(".ballast")
        claim_id = full.begin(TASK, Kind.WRITE, "boot-1")
        assert ballast.stat().st_blocks * 512 >= BALLAST
        with pytest.raises(JournalError):
            self.owe(full, claim_id, 200_000)
        assert not ballast.exists()
        full.begin(TASK, Kind.WRITE, "boot-1")
        assert ballast.stat().st_size == BALLAST

    def test_another_trouble_of_the_file_is_named_too(self, journal: Journal, path: Path) -> None:
        journal._db.execute("PRAGMA query_only = ON")
        with pytest.raises(JournalError, match=f"{path} cannot be used .*readonly") as trouble:
            journal.forget("x")
        assert trouble.value.code == "journal_failed"


def test_nobody_else_may_read_it(journal: Journal, path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_every_commit_survives_the_death_of_its_process(path: Path, tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from workers.journal import *; from workers.contract import Kind\n"
        f"journal = Journal(Path({str(path)!r}))\n"
        "for number in range(10**6):\n"
        f"    journal.owe('', release({TASK!r}, Kind.WRITE, number))\n"
        "    print(number, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = [int(process.stdout.readline()) for _ in range(25)]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    journal = Journal(path)
    kept = {message.body["attempt"] for message in journal.owed(Kind.WRITE)}
    journal.close()
    assert kept >= set(said)


def test_many_threads_and_connections(path: Path) -> None:
    journals = [Journal(path) for _ in range(3)]

    def work(journal: Journal, kind: Kind) -> None:
        for _ in range(10):
            claim_id = journal.begin(TASK, kind, "boot")
            journal.claimed(claim_id, 1, "o")
            journal.owe(claim_id, release(TASK, kind, 1))

    threads = [
        threading.Thread(target=work, args=(journal, kind))
        for journal, kind in zip(journals, Kind, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for kind in Kind:
        assert len(journals[0].owed(kind)) == 10
        assert journals[0].begun(kind) == []
    for journal in journals:
        journal.close()
