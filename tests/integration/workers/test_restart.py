"""After a crash: what an earlier process left is ended, and the server hears of it. And the sign of life."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.doubles.image import Image
from tests.doubles.server import Server, Task
from tests.doubles.warehouse import Warehouse
from workers import courier, machine, mounts, places, reconcile
from workers.bench import Bench
from workers.child import MARK
from workers.contract import Kind
from workers.host import Host
from workers.journal import release
from workers.presence import Presence
from workers.run import run

ENDED = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


def orphan(host: Host, claim_id: str) -> subprocess.Popen[bytes]:
    """A child whose parent is long dead."""
    process = subprocess.Popen(["sleep", "300"], env={**os.environ, MARK: claim_id}, start_new_session=True)
    host.journal.child(claim_id, process.pid, machine.started(process.pid))
    return process


def left_behind(host: Host, server: Server, task: Task, attempt: int = 1) -> str:
    """What a crash in the middle of an attempt leaves in journal and server."""
    claim_id = host.journal.begin(task.id, host.kind, "an-earlier-boot")
    host.journal.claimed(claim_id, attempt, task.order)
    task.attempt, task.claim_id, task.open = attempt, claim_id, False
    return claim_id


class TestBury:
    def test_a_create_left_behind_is_killed_cleaned_and_given_back(
        self, server: Server, host_of: Callable[[Kind], Host]
    ) -> None:
        host, task = host_of(Kind.CREATE), server.add("create", {})
        process = orphan(host, left_behind(host, server, task))
        work = places.work_folder(host.config.data, task.id, 1)
        work.mkdir(parents=True)
        assert reconcile.bury(host, running=list) == []
        assert process.wait(10) == -9
        assert not work.exists()
        assert courier.deliver(host)
        assert [release["attempt"] for release in task.releases] == [1]
        assert task.open

    def test_a_folder_whose_worker_was_killed_between_its_ending_and_its_removal_goes(
        self, server: Server, host_of: Callable[[Kind], Host]
    ) -> None:
        host, task = host_of(Kind.CREATE), server.add("create", {})
        claim_id = left_behind(host, server, task)
        begun, busy, ended = (
            places.work_folder(host.config.data, name, 1) for name in (task.id, str(uuid.uuid4()), ENDED)
        )
        foreign = host.config.data / "work" / "notes.txt"
        for folder in (begun, busy, ended, foreign):
            folder.mkdir(parents=True)
            (folder / "NAME.img.zst").touch()
        host.journal.owe(host.journal.begin(ENDED, host.kind, "boot"), release(ENDED, host.kind, 1))
        assert reconcile.bury(host, running=lambda: [task.id, busy.name.partition(".")[0]]) == []
        assert (begun.exists(), busy.exists(), foreign.exists()) == (True, True, True)
        assert not ended.exists()
        assert [each.claim_id for each in host.journal.begun(host.kind)] == [claim_id]

    def test_a_folder_that_cannot_be_removed_holds_up_no_start(
        self,
        server: Server,
        host_of: Callable[[Kind], Host],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        host, task = host_of(Kind.CREATE), server.add("create", {})
        left_behind(host, server, task)
        work = places.work_folder(host.config.data, task.id, 1)
        work.mkdir(parents=True)
        monkeypatch.setattr(mounts, "_mounts", lambda: [("0:1", work / "mount")])
        monkeypatch.setattr(mounts, "_unmount", lambda target: f"{target} (busy)")
        assert reconcile.bury(host, running=list) == []
        assert work.exists()
        assert "Release it by hand" in capsys.readouterr().out
        assert courier.deliver(host)
        assert [release["attempt"] for release in task.releases] == [1]

    def test_a_folder_that_stays_is_tried_again_now_and_then_and_not_with_each_beat(
        self,
        host_of: Callable[[Kind], Host],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        host = host_of(Kind.CREATE)
        work = places.work_folder(host.config.data, ENDED, 1)
        work.mkdir(parents=True)
        now = [1000.0]
        monkeypatch.setattr(reconcile.time, "monotonic", lambda: now[0])
        with monkeypatch.context() as stuck:
            stuck.setattr(mounts, "_mounts", lambda: [("0:1", work / "mount")])
            stuck.setattr(mounts, "_unmount", lambda target: f"{target} (busy)")
            for _beat in range(3):
                reconcile.bury(host, running=list)
                now[0] += 5
            assert capsys.readouterr().out.count("Release it by hand") == 1
        reconcile.bury(host, running=list)
        assert work.exists()
        now[0] += reconcile.AGAIN
        reconcile.bury(host, running=list)
        assert not work.exists()
        assert host.stuck == {}

    def test_a_finished_image_waits_a_day_for_another_attempt(self, host_of: Callable[[Kind], Host]) -> None:
        host = host_of(Kind.CREATE)
        old, busy, fresh = (places.built_folder(host.config.data, str(uuid.uuid4())) for _ in range(3))
        for folder in (old, busy, fresh):
            folder.mkdir(parents=True)
        (old.parent / str(uuid.uuid4())).symlink_to("nowhere")  # as one that is removed during the look
        a_day_ago = time.time() - reconcile.BUILT_KEPT - 1
        for folder in (old, busy):
            os.utime(folder, (a_day_ago, a_day_ago))
        reconcile.bury(host, running=lambda: [busy.name])
        assert (old.exists(), busy.exists(), fresh.exists()) == (False, True, True)

    def test_a_create_whose_worker_was_killed_in_its_upload_keeps_what_is_built(
        self, server: Server, host_of: Callable[[Kind], Host]
    ) -> None:
        host, task = host_of(Kind.CREATE), server.add("create", {})
        left_behind(host, server, task)
        built = places.built_folder(host.config.data, task.id)
        built.mkdir(parents=True)
        reconcile.bury(host, running=list)
        assert built.exists()

    def test_a_write_left_behind_is_interrupted(
        self, server: Server, host_of: Callable[[Kind], Host]
    ) -> None:
        host, task = host_of(Kind.WRITE), server.add("write", {})
        left_behind(host, server, task, attempt=2)
        reconcile.bury(host, running=list)
        courier.deliver(host)
        (final,) = task.finals
        assert (final["attempt"], final["outcome"]) == (2, "failed")
        assert (final["trouble"]["fault"], final["trouble"]["code"]) == ("host", "interrupted")
        assert task.releases == []

    def test_what_runs_is_left_alone(self, server: Server, host_of: Callable[[Kind], Host]) -> None:
        host, task = host_of(Kind.DOWNLOAD), server.add("download", {})
        process = orphan(host, left_behind(host, server, task))
        assert reconcile.bury(host, running=lambda: [task.id]) == []
        assert process.poll() is None
        assert len(host.journal.begun(Kind.DOWNLOAD)) == 1
        process.kill()
        process.wait()

    def test_another_process_with_the_old_pid_lives(
        self, server: Server, host_of: Callable[[Kind], Host]
    ) -> None:
        host, task = host_of(Kind.DOWNLOAD), server.add("download", {})
        claim_id = left_behind(host, server, task)
        innocent = subprocess.Popen(["sleep", "300"], start_new_session=True)
        host.journal.child(claim_id, innocent.pid, 1)
        reconcile.bury(host, running=list)
        assert innocent.poll() is None
        innocent.kill()
        innocent.wait()

    @pytest.mark.parametrize("moment", ["begins", "ends"])
    def test_what_begins_or_ends_during_the_look_is_left_alone(
        self, server: Server, host_of: Callable[[Kind], Host], moment: str
    ) -> None:
        host, task = host_of(Kind.DOWNLOAD), server.add("download", {})
        ending = left_behind(host, server, task) if moment == "ends" else ""

        def look() -> list[str]:
            if moment == "ends":
                host.journal.forget(ending)
            else:
                left_behind(host, server, task)
            return []

        assert reconcile.bury(host, running=look) == []
        assert host.journal.owed(Kind.DOWNLOAD) == []

    def test_a_claim_without_an_answer_is_asked_again(
        self, host_of: Callable[[Kind], Host], server: Server
    ) -> None:
        host, task = host_of(Kind.DOWNLOAD), server.add("download", {})
        host.journal.begin(task.id, Kind.DOWNLOAD, "an-earlier-boot")
        assert reconcile.bury(host, running=list) == [task.id]
        assert len(host.journal.begun(Kind.DOWNLOAD)) == 1


class TestCompare:
    def test_an_assignment_that_no_journal_knows_is_given_back(
        self, server: Server, host_of: Callable[[Kind], Host]
    ) -> None:
        host = host_of(Kind.DOWNLOAD)
        lost = server.add("download", {}, attempt=3, claim_id="of-a-lost-disk", open=False)
        other = server.add("write", {}, attempt=1, claim_id="the-writer-s", open=False)
        reconcile.compare(host, running=list)
        courier.deliver(host)
        assert [release["attempt"] for release in lost.releases] == [3]
        assert other.releases == other.reports == []

    def test_what_is_known_owed_or_running_is_not_touched(
        self, server: Server, host_of: Callable[[Kind], Host]
    ) -> None:
        host = host_of(Kind.WRITE)
        known, owed, runs = (server.add("write", {}) for _ in range(3))
        left_behind(host, server, known)
        left_behind(host, server, owed)
        reconcile.bury(host, running=lambda: [known.id])
        runs.attempt, runs.claim_id = 1, "c"
        before = len(host.journal.owed(Kind.WRITE))
        reconcile.compare(host, running=lambda: [runs.id])
        assert len(host.journal.owed(Kind.WRITE)) == before == 1


@pytest.fixture
def presence_of(host_of: Callable[[Kind], Host]) -> Callable[..., Presence]:
    def make(kind: Kind, places: int = 1, work: Callable[[str], object] = lambda _: None) -> Presence:
        return Presence(host_of(kind), Bench(places, work))

    return make


class TestPresence:
    def test_a_beat_says_what_is_here(
        self, server: Server, presence_of: Callable[..., Presence], host_of: Callable[[Kind], Host]
    ) -> None:
        presence_of(Kind.WRITE).beat()
        (beat,) = server.beats
        assert (beat["kind"], beat["protocol"], beat["running"]) == ("write", 2, [])
        assert beat["boot_id"] == machine.boot_id()
        assert beat["free_bytes"] > 0
        (slot,) = beat["slots"]
        assert (slot["name"], slot["present"], slot["size"]) == ("A", False, 0)

    def test_a_card_that_is_inserted_is_seen(
        self, server: Server, presence_of: Callable[..., Presence], host_of: Callable[[Kind], Host]
    ) -> None:
        presence = presence_of(Kind.WRITE)
        presence.beat()
        card = host_of(Kind.WRITE).config.data.parent / "card-a.img"
        card.write_bytes(bytes(8 * 2**20))
        presence.beat()
        before, after = (beat["slots"][0] for beat in server.beats)
        assert (before["present"], after["present"], after["size"]) == (False, True, 8 * 2**20)
        assert after["diskseq"] is not None

    def test_the_server_s_bell_starts_what_waits_within_the_places(
        self, server: Server, presence_of: Callable[..., Presence]
    ) -> None:
        go, started = threading.Event(), []

        def work(task: str) -> None:
            started.append(task)
            go.wait(30)

        presence = presence_of(Kind.DOWNLOAD, 2, work)
        server.ring = ["a", "b", "c"]
        presence.beat()
        presence.beat()
        assert started == ["a", "b"]
        assert sorted(server.beats[1]["running"]) == ["a", "b"]
        go.set()
        presence._bench.wait()

    @pytest.mark.parametrize("why", ["drain", "stopping"])
    def test_nothing_starts_when_nothing_should(
        self, server: Server, presence_of: Callable[..., Presence], why: str
    ) -> None:
        started: list[str] = []
        presence = presence_of(Kind.DOWNLOAD, 1, started.append)
        server.ring = ["a"]
        if why == "drain":
            server.drain = True
        else:
            presence._host.stopping.set()
        presence.beat()
        presence._bench.wait()
        assert started == []

    def test_a_server_that_is_away_is_no_reason_to_end(
        self, server: Server, presence_of: Callable[..., Presence]
    ) -> None:
        started: list[str] = []
        presence = presence_of(Kind.DOWNLOAD, 1, started.append)
        server.down = True
        presence.beat()
        presence.beat()
        server.down, server.ring = False, ["a"]
        presence.beat()
        presence._bench.wait()
        assert started == ["a"]

    def test_everything_works_with_this_bell_alone(
        self, server: Server, warehouse: Warehouse, image: Image, host_of: Callable[[Kind], Host]
    ) -> None:
        host, task = host_of(Kind.DOWNLOAD), server.add("download", image.spec)
        bench = Bench(1, lambda task: run(task, host))
        presence = Presence(host, bench, every=0.05)
        server.ring = [task.id]
        presence.start()
        try:
            server.wait_for(lambda: task.finals)
        finally:
            presence.end()
            presence.join()
            bench.wait()
        assert [final["outcome"] for final in task.finals] == ["done"]

    def test_what_a_crash_left_is_settled_by_the_next_beats(
        self, server: Server, warehouse: Warehouse, image: Image, host_of: Callable[[Kind], Host]
    ) -> None:
        host, task = host_of(Kind.DOWNLOAD), server.add("download", image.spec)
        left_behind(host, server, task)
        bench = Bench(1, lambda task: run(task, host))
        presence = Presence(host, bench)
        presence.beat()
        presence.beat()
        assert len(task.releases) == 1
        server.ring = [task.id]
        presence.beat()
        bench.wait()
        assert (task.attempt, [final["outcome"] for final in task.finals]) == (2, ["done"])


class TestImagesNobodyNeeds:
    """The answer to a beat names the orders whose images stay; the downloader removes all others."""

    @pytest.fixture
    def shelf(self, host_of: Callable[[Kind], Host]) -> Callable[[Task], Path]:
        """An order's image that is on the disk; gives its folder."""
        host = host_of(Kind.DOWNLOAD)

        def put(task: Task) -> Path:
            folder = places.images_folder(host.config.data, task.order)
            folder.mkdir(parents=True)
            (folder / "demo.img.zst").write_bytes(b"image")
            return folder

        return put

    def test_what_is_not_kept_goes(
        self, server: Server, shelf: Callable[[Task], Path], presence_of: Callable[..., Presence]
    ) -> None:
        kept, shipped = (server.add("download", {}) for _ in range(2))
        stays, goes = shelf(kept), shelf(shipped)
        server.keep = [kept.order]
        presence_of(Kind.DOWNLOAD).beat()
        assert stays.exists()
        assert not goes.exists()

    @pytest.mark.parametrize(("kind", "keep"), [(Kind.DOWNLOAD, None), (Kind.WRITE, [])])
    def test_nothing_goes_without_a_word_or_by_another_worker(
        self,
        server: Server,
        shelf: Callable[[Task], Path],
        presence_of: Callable[..., Presence],
        kind: Kind,
        keep: list[str] | None,
    ) -> None:
        folder = shelf(server.add("download", {}))
        server.keep = keep
        presence_of(kind).beat()
        assert folder.exists()

    def test_a_host_that_takes_nothing_more_clears_its_shelf_too(
        self, server: Server, shelf: Callable[[Task], Path], presence_of: Callable[..., Presence]
    ) -> None:
        folder = shelf(server.add("download", {}))
        server.keep, server.drain = [], True
        presence_of(Kind.DOWNLOAD).beat()
        assert not folder.exists()

    @pytest.mark.parametrize("kind", [Kind.DOWNLOAD, Kind.WRITE])
    def test_what_is_in_work_here_stays_whatever_the_server_says(
        self,
        server: Server,
        shelf: Callable[[Task], Path],
        host_of: Callable[[Kind], Host],
        kind: Kind,
    ) -> None:
        """Also when it is the writer's, whose process is another one."""
        worker, task = host_of(kind), server.add(kind, {})
        claim_id = left_behind(worker, server, task)
        folder = shelf(task)
        server.keep = []
        presence = Presence(host_of(Kind.DOWNLOAD), _Busy(task.id))
        presence.beat()
        assert folder.exists()
        worker.journal.forget(claim_id)
        presence.beat()
        assert not folder.exists()

    def test_what_began_after_the_question_makes_the_answer_old(
        self, server: Server, shelf: Callable[[Task], Path], host_of: Callable[[Kind], Host]
    ) -> None:
        """The server answered before the task was this host's; the answer arrives after the task ended."""
        task = server.add("download", {})
        folder = shelf(task)
        server.keep = []
        bench = Bench(1, lambda _: None)

        def meanwhile(path: str) -> str:
            if path.endswith("/beat") and server.lose is meanwhile:
                server.lose = lambda _: ""
                bench.run(task.id)
            return ""

        server.lose = meanwhile
        presence = Presence(host_of(Kind.DOWNLOAD), bench)
        presence.beat()
        assert folder.exists()
        presence.beat()
        assert not folder.exists()

    def test_what_cannot_be_removed_stops_no_beat_and_is_said_once(
        self,
        server: Server,
        host_of: Callable[[Kind], Host],
        presence_of: Callable[..., Presence],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        images = host_of(Kind.DOWNLOAD).config.data / "images"
        images.mkdir()
        (images / server.add("download", {}).order).touch()
        server.keep = []
        presence = presence_of(Kind.DOWNLOAD)
        presence.beat()
        presence.beat()
        assert len(server.beats) == 2
        assert capsys.readouterr().out.count("cannot be removed") == 1


class _Busy(Bench):
    """A bench at which a task has been running for long."""

    def __init__(self, task: str) -> None:
        super().__init__(1, lambda _: None)
        self._running = [task]


def test_a_child_dies_with_its_parent(
    server: Server, slow_warehouse: Warehouse, image: Image, host_of: Callable[[Kind], Host]
) -> None:
    task = server.add("download", image.spec)
    host = host_of(Kind.DOWNLOAD)
    script = (
        "import sys; from pathlib import Path; from workers.config import load\n"
        "from workers.contract import Kind\n"
        "from workers.host import open_host; from workers.run import run\n"
        "with open_host(Kind.DOWNLOAD, load(Path(sys.argv[1]), {})) as host: run(sys.argv[2], host)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(host.config.path), task.id], stdout=subprocess.DEVNULL
    )
    server.wait_for(lambda: any(report["step"] == "downloading" for report in task.reports))
    (begun,) = host.journal.begun(Kind.DOWNLOAD)
    assert begun.pid is not None
    assert machine.started(begun.pid) == begun.started
    parent.kill()
    parent.wait()
    assert vanishes(begun.pid)
    reconcile.bury(host, running=list)
    assert courier.deliver(host)
    assert len(task.releases) == 1


def vanishes(pid: int, within: float = 20) -> bool:
    """Is the process dead before long? A zombie, which init has yet to bury, is."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False
