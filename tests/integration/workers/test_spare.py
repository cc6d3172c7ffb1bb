"""The process that waits for work: it does the next task, and ends as one does that is started then."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.doubles.image import Image
from tests.doubles.server import Server, Task
from tests.doubles.warehouse import Warehouse
from tests.integration.workers.test_worker_process import Start, end, start
from workers import child, machine, spare
from workers.child import MARK, Started
from workers.contract import Kind
from workers.errors import HostError
from workers.host import Host
from workers.journal import JournalError
from workers.run import run

__all__ = ["start"]

PATIENCE = 30  # seconds until a test gives up


def until(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def children(worker: int) -> dict[int, str]:
    """The processes of attempts that `worker` has started, by pid, with their claim ids."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            words = dict(w.split("=", 1) for w in (entry / "environ").read_text().split("\0") if "=" in w)
        except OSError:
            continue
        if parent == worker and MARK in words:
            found[int(entry.name)] = words[MARK]
    return found


def waits(worker: int) -> int:
    until(lambda: len(children(worker)) == 1, "no process waits for work")
    return next(iter(children(worker)))


@pytest.fixture
def task(server: Server, slow_warehouse: Warehouse, image: Image) -> Task:
    """A download that does not end."""
    return server.add("download", image.spec)


def test_it_does_the_next_task_and_another_takes_its_place(server: Server, task: Task, start: Start) -> None:
    worker = start("downloader")
    ready = waits(worker.pid)
    server.ring = [task.id]
    server.wait_for(lambda: any(report["step"] == "downloading" for report in task.reports))
    assert children(worker.pid)[ready] == task.claim_id
    until(lambda: len(children(worker.pid)) == 2, "no other process waits for work")
    assert end(worker) == 0
    assert machine.started(ready) is None


def test_it_ends_with_its_worker(server: Server, start: Start) -> None:
    worker = start("downloader")
    server.wait_for(lambda: server.beats)
    ready = waits(worker.pid)
    assert end(worker) == 0
    assert machine.started(ready) is None


def test_it_ends_with_a_worker_that_is_killed(server: Server, start: Start) -> None:
    worker = start("downloader")
    ready = waits(worker.pid)
    assert end(worker, signal.SIGKILL) == -9
    until(lambda: machine.started(ready) is None, "it outlives its worker")


def test_one_that_was_killed_is_not_asked_to_work(
    server: Server, warehouse: Warehouse, image: Image, start: Start
) -> None:
    task = server.add("download", image.spec)
    worker = start("downloader")
    ready = waits(worker.pid)
    os.kill(ready, signal.SIGKILL)
    until(lambda: ready not in children(worker.pid), "it cannot be killed")
    server.ring = [task.id]
    server.wait_for(lambda: task.finals)
    assert task.finals[0]["outcome"] == "done"
    assert end(worker) == 0


class TestClaims:
    """What becomes of the one that waits, and of its claim id."""

    @pytest.fixture
    def host(self, downloader: Host) -> Iterator[Host]:
        downloader.spare.keep(Kind.DOWNLOAD)
        yield downloader
        downloader.spare.close()

    @staticmethod
    def spare_of(host: Host) -> Started:
        until(lambda: host.spare.waiting, "no process waits for work")
        assert host.spare.waiting is not None
        return host.spare.waiting

    def test_refused_it_waits_on(self, server: Server, image: Image, host: Host) -> None:
        waiting = self.spare_of(host)
        assert run(server.add("download", image.spec, open=False).id, host) is None
        assert self.spare_of(host) is waiting
        assert waiting.alive()

    def test_a_claim_whose_answer_is_lost_keeps_its_claim_id_for_itself(
        self, server: Server, warehouse: Warehouse, image: Image, host: Host
    ) -> None:
        task, other = server.add("download", image.spec), server.add("download", image.spec)
        waiting = self.spare_of(host)
        server.lose = lambda path: "after" if path.endswith("/claim") else ""
        assert run(task.id, host) is None
        server.lose = lambda _path: ""
        assert (task.claim_id, waiting.alive()) == (waiting.claim_id, False)
        assert run(other.id, host) is not None
        assert run(task.id, host) is not None
        assert other.claim_id != task.claim_id == waiting.claim_id
        assert [len(task.finals), len(other.finals), task.attempt] == [1, 1, 1]

    def test_it_ends_when_the_journal_takes_no_claim(
        self, server: Server, image: Image, host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise JournalError("disk_full", "The disk is full.")

        waiting = self.spare_of(host)
        monkeypatch.setattr(host.journal, "claimed", full)
        task = server.add("download", image.spec)
        assert run(task.id, host) is None
        assert task.claim_id == waiting.claim_id
        assert not waiting.alive()
        assert waiting.process.stdin is not None
        assert waiting.process.stdin.closed

    def test_work_of_another_kind_is_given_back_and_its_claim_id_is_not_used_again(
        self, server: Server, warehouse: Warehouse, image: Image, host: Host
    ) -> None:
        waiting = self.spare_of(host)
        wrong, right = server.add("write", image.spec), server.add("download", image.spec)
        assert run(wrong.id, host) is None
        assert not waiting.alive()
        assert len(wrong.releases) == 1
        assert run(right.id, host) is not None
        assert right.claim_id != waiting.claim_id


class TestNoneCanBeStarted:
    """The thread that starts them lasts whatever happens: with it, the kernel would end those at work."""

    def test_without_descriptors_the_host_is_at_fault(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def full() -> tuple[int, int]:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        monkeypatch.setattr(os, "pipe", full)
        with pytest.raises(HostError, match=r"Too many open files\. Free memory, processes or open files"):
            child.start("a claim")

    @pytest.mark.parametrize(
        "why", [HostError("cannot_start", "No."), OSError(24, "full"), ValueError("bug")]
    )
    def test_whatever_it_is_is_said_and_raises_nothing(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], why: Exception
    ) -> None:
        def fail(*_: object) -> Started:
            raise why

        spares = spare.Spare()
        monkeypatch.setattr(spare, "start", fail)
        spares._start_one(Kind.DOWNLOAD)
        assert spares.waiting is None
        assert "no process waits for work" in capsys.readouterr().out
