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

from workers.contract import Kind
from workers.journal import Call, Journal, final, release

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
