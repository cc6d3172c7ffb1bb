"""One task from claim to last report, with a real child process, against a server and warehouse double."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.doubles.image import MIB, Image
from tests.doubles.server import PASSWORD, Server, Task
from tests.doubles.warehouse import Warehouse
from workers import courier, machine, reconcile
from workers.child import MARK
from workers.contract import Kind, Outcome, Report
from workers.host import Host
from workers.journal import JournalError, final
from workers.run import exit_code, run


@pytest.fixture
def task(server: Server, image: Image) -> Task:
    return server.add("download", image.spec)


@contextmanager
def running(task: Task, host: Host) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=run, args=(task.id, host))
    thread.start()
    try:
        yield thread
    finally:
        host.stopping.set()
        thread.join(30)
        assert not thread.is_alive()


def wait_until_working(server: Server, task: Task) -> None:
    server.wait_for(lambda: any(report.get("progress", {}).get("done", 0) > 0 for report in task.reports))


def child_of(host: Host) -> int:
    (begun,) = host.journal.begun(host.kind)
    assert begun.pid is not None
    assert machine.started(begun.pid) == begun.started
    return begun.pid


def parts(host: Host, task: Task) -> list[Path]:
    return sorted((host.config.data / "images" / task.order).glob("*.part"))


def test_a_download_from_claim_to_done(
    server: Server, warehouse: Warehouse, image: Image, task: Task, downloader: Host
) -> None:
    ending = run(task.id, downloader)
    assert ending is not None
    assert exit_code(ending) == 0
    (final,) = task.finals
    assert final["outcome"] == "done"
    assert final["result"] == {"files": image.files}
    assert final["attempt"] == 1
    folder = downloader.config.data / "images" / task.order
    for facts in image.files:
        assert hashlib.sha256((folder / facts["name"]).read_bytes()).hexdigest() == facts["sha256"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(facts["name"] for facts in image.files)
    assert downloader.journal.begun(Kind.DOWNLOAD) == []
    assert downloader.journal.owed(Kind.DOWNLOAD) == []


def test_what_is_claimed_by_another_is_left_alone(server: Server, task: Task, downloader: Host) -> None:
    task.open = False
    assert run(task.id, downloader) is None
    assert task.reports == []
    assert downloader.journal.begun(Kind.DOWNLOAD) == []


def test_a_claim_whose_answer_is_lost_is_repeated_with_the_same_id(
    server: Server, warehouse: Warehouse, task: Task, downloader: Host
) -> None:
    lost = iter(["after", "after"])
    server.lose = lambda path: next(lost, "") if path.endswith("/claim") else ""
    ending = run(task.id, downloader)
    assert ending is not None
    assert ending.outcome is Outcome.DONE
    assert task.attempt == 1
    assert server.calls["claim"] == 3


def test_a_claim_that_is_never_answered_is_asked_again_with_the_same_id(
    server: Server, warehouse: Warehouse, task: Task, downloader: Host
) -> None:
    server.lose = lambda path: "after" if path.endswith("/claim") else ""
    assert run(task.id, downloader) is None
    (begun,) = downloader.journal.begun(Kind.DOWNLOAD)
    assert begun.attempt is None
    server.lose = lambda path: ""
    ending = run(task.id, downloader)
    assert ending is not None
    assert ending.outcome is Outcome.DONE
    assert (task.attempt, task.claim_id) == (1, begun.claim_id)


def test_a_cancel_ends_the_work_within_one_report(
    server: Server, slow_warehouse: Warehouse, task: Task, downloader: Host
) -> None:
    with running(task, downloader) as thread:
        wait_until_working(server, task)
        child = child_of(downloader)
        before = len(task.reports)
        with server.changed:
            task.answer = "cancel"
        thread.join(30)
    assert machine.started(child) is None
    assert [final["outcome"] for final in task.finals] == ["canceled"]
    assert len(task.reports) - before <= 2, "one report heard the cancel, the last one says canceled"
    assert parts(downloader, task) == []


def test_a_stale_attempt_ends_in_silence(
    server: Server, slow_warehouse: Warehouse, task: Task, downloader: Host
) -> None:
    with running(task, downloader) as thread:
        wait_until_working(server, task)
        child = child_of(downloader)
        with server.changed:
            task.answer = "stale"
            heard = len(task.reports)
        thread.join(30)
    assert machine.started(child) is None
    assert len(task.reports) == heard
    assert downloader.journal.owed(Kind.DOWNLOAD) == []
    assert downloader.journal.begun(Kind.DOWNLOAD) == []


def test_a_killed_child_is_a_trouble_of_the_host(
    server: Server, slow_warehouse: Warehouse, task: Task, downloader: Host
) -> None:
    with running(task, downloader) as thread:
        wait_until_working(server, task)
        os.kill(child_of(downloader), signal.SIGKILL)
        thread.join(30)
    (final,) = task.finals
    assert final["outcome"] == "failed"
    assert (final["trouble"]["fault"], final["trouble"]["code"]) == ("host", "killed")
    assert "SIGKILL" in final["trouble"]["message"]


def test_a_crashed_child_is_a_bug(
    server: Server, slow_warehouse: Warehouse, task: Task, downloader: Host
) -> None:
    with running(task, downloader) as thread:
        wait_until_working(server, task)
        os.kill(child_of(downloader), signal.SIGSEGV)
        thread.join(30)
    (final,) = task.finals
    assert (final["trouble"]["fault"], final["trouble"]["code"]) == ("bug", "died")


def test_stopping_gives_a_download_back_and_keeps_what_is_there(
    server: Server, slow_warehouse: Warehouse, task: Task, downloader: Host
) -> None:
    with running(task, downloader):
        wait_until_working(server, task)
        child = child_of(downloader)
        downloader.stopping.set()
    assert machine.started(child) is None
    assert task.finals == []
    (release,) = task.releases
    assert release["attempt"] == 1
    assert parts(downloader, task), "the next attempt continues from these"


def test_the_next_attempt_continues_behind_the_last_good_frame(
    server: Server, slow_warehouse: Warehouse, image: Image, task: Task, host_of: Callable[[Kind], Host]
) -> None:
    first, second = host_of(Kind.DOWNLOAD), host_of(Kind.DOWNLOAD)
    with running(task, first):
        assert slow_warehouse.held.wait(30)
        wait_until_working(server, task)
        first.stopping.set()
    slow_warehouse.hold_after = None
    ending = run(task.id, second)
    assert ending is not None
    assert ending.outcome is Outcome.DONE
    name, offset = slow_warehouse.reads[-1]
    assert name == image.container.name
    assert 4 * MIB < offset < 6 * MIB, "one frame of 4 MiB was whole"
    there = second.config.data / "images" / task.order / image.container.name
    assert there.read_bytes() == image.container.read_bytes()


def test_work_goes_on_while_the_server_is_away_and_its_ending_waits_in_the_journal(
    server: Server, slow_warehouse: Warehouse, task: Task, host_of: Callable[[Kind], Host]
) -> None:
    first = host_of(Kind.DOWNLOAD)
    with running(task, first) as thread:
        wait_until_working(server, task)
        assert slow_warehouse.held.wait(30), "it needs no further ticket"
        server.down = True
        slow_warehouse.hold_after = None
        thread.join(60)
        assert not thread.is_alive()
    assert task.finals == []
    (owed,) = first.journal.owed(Kind.DOWNLOAD)
    again = host_of(Kind.DOWNLOAD)
    assert courier.deliver(again) is False
    server.down = False
    assert courier.deliver(again) is True
    assert [final["event_id"] for final in task.finals] == [owed.event_id]
    assert courier.deliver(first) is True
    assert len(task.finals) == 1


def test_a_last_report_whose_answer_is_lost_counts_once(
    server: Server, warehouse: Warehouse, task: Task, downloader: Host
) -> None:
    def cut_after_final(path: str) -> str:
        return "after" if path.endswith("/report") and not downloader.journal.begun(Kind.DOWNLOAD) else ""

    server.lose = cut_after_final
    run(task.id, downloader)
    assert len(task.finals) == 1
    assert len(downloader.journal.owed(Kind.DOWNLOAD)) == 1
    server.lose = lambda path: ""
    assert courier.deliver(downloader)
    assert len(task.finals) == 1


def test_a_result_that_the_server_cannot_take_ends_as_a_failure(
    server: Server, warehouse: Warehouse, task: Task, downloader: Host
) -> None:
    task.final_problem = (422, "invalid")
    run(task.id, downloader)
    courier.deliver(downloader)
    (final,) = task.finals
    assert (final["outcome"], final["trouble"]["code"]) == ("failed", "result_refused")
    assert downloader.journal.owed(Kind.DOWNLOAD) == []


def test_a_last_report_for_an_attempt_that_is_over_is_dropped(
    server: Server, warehouse: Warehouse, task: Task, downloader: Host
) -> None:
    task.final_problem = (409, "stale")
    run(task.id, downloader)
    assert downloader.journal.owed(Kind.DOWNLOAD) == []


@pytest.mark.parametrize(("status", "others"), [(500, 1), (413, 1), (403, 0), (503, 0)])
def test_an_ending_over_which_the_server_stumbles_holds_up_no_other(
    server: Server, image: Image, downloader: Host, status: int, others: int
) -> None:
    first, second = (server.add("download", image.spec, attempt=1) for _ in range(2))
    first.final_problem = (status, "bug")
    for task in (first, second):
        report: Report = {"event_id": task.id, "attempt": 1, "step": "verifying", "outcome": "done"}
        downloader.journal.owe("", final(task.id, Kind.DOWNLOAD, report))
    assert courier.deliver(downloader) is False
    assert (len(first.finals), len(second.finals)) == (0, others)
    first.final_problem = None
    assert courier.deliver(downloader) is True
    assert (len(first.finals), len(second.finals)) == (1, 1)


def test_a_disabled_account_loses_no_ending(
    server: Server, warehouse: Warehouse, task: Task, downloader: Host
) -> None:
    task.final_problem = (403, "not_yours")
    run(task.id, downloader)
    assert len(downloader.journal.owed(Kind.DOWNLOAD)) == 1


def test_the_hard_limit_ends_the_attempt(
    server: Server, slow_warehouse: Warehouse, task: Task, downloader: Host
) -> None:
    task.deadline = 1
    ending = run(task.id, downloader)
    assert ending is not None
    assert ending.trouble is not None
    assert (ending.trouble["fault"], ending.trouble["code"]) == ("host", "too_slow")


@pytest.mark.parametrize("fails", ["claimed", "child", "owe"])
def test_a_journal_that_cannot_be_kept_stops_the_work_and_not_the_worker(
    server: Server,
    slow_warehouse: Warehouse,
    task: Task,
    downloader: Host,
    monkeypatch: pytest.MonkeyPatch,
    fails: str,
) -> None:
    """Whenever it fails; the attempt is settled by a later beat."""

    def full(*_: object) -> None:
        raise JournalError("disk_full", "The disk is full.")

    task.deadline = 1
    with monkeypatch.context() as patched:
        patched.setattr(downloader.journal, fails, full)
        ending = run(task.id, downloader)
    assert machine.kill_marked(MARK, task.claim_id) == []
    if fails == "child":
        assert ending is not None
        assert [final["trouble"]["code"] for final in task.finals] == ["disk_full"]
        return
    assert (ending, task.finals, task.releases) == (None, [], [])
    unanswered = reconcile.bury(downloader, running=list)
    courier.deliver(downloader)
    assert unanswered == ([task.id] if fails == "claimed" else [])
    assert len(task.releases) == (0 if fails == "claimed" else 1)


def test_the_wrong_kind_of_work_is_given_back(server: Server, image: Image, downloader: Host) -> None:
    task = server.add("write", image.spec)
    assert run(task.id, downloader) is None
    courier.deliver(downloader)
    assert len(task.releases) == 1


def test_reports_carry_progress_and_no_secret(
    server: Server, image: Image, task: Task, downloader: Host
) -> None:
    house = Warehouse(image.folder, rate=4_000_000)
    server.ticket = house.ticket
    try:
        run(task.id, downloader)
    finally:
        house.close()
    told = [
        report["progress"]
        for report in task.reports
        if report["step"] == "downloading" and "progress" in report
    ]
    assert told
    assert {progress["total"] for progress in told} == {sum(facts["size"] for facts in image.files)}
    assert [progress["done"] for progress in told] == sorted(progress["done"] for progress in told)
    assert any(progress["rate"] for progress in told)
    everything = repr(task.reports)
    assert PASSWORD not in everything
    assert "eyJ" not in everything
    assert bytes(range(32)).hex() not in everything


def test_at_most_one_report_a_second(server: Server, image: Image, task: Task, downloader: Host) -> None:
    house = Warehouse(image.folder, rate=3_000_000)
    server.ticket = house.ticket
    began = time.monotonic()
    try:
        run(task.id, downloader)
    finally:
        house.close()
    taken = time.monotonic() - began
    assert len(task.reports) <= taken + 3
