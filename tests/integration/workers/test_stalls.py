"""A cancel ends work that stands still in the middle of a call to a server which never says anything more.

The work itself would wait a minute there. Every test gives it half of that, so that none passes unless the
process of the attempt is killed, with its group.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from tests.doubles.image import Image
from tests.doubles.server import Server, Task
from tests.doubles.stall import Stall
from tests.doubles.warehouse import Warehouse
from tests.integration.creator.server import ContentServer
from workers import machine
from workers.attempt import Attempt
from workers.bench import Bench
from workers.child import MARK
from workers.config import Config
from workers.contract import PROTOCOL, Kind
from workers.creator import http
from workers.creator.demo_base import make_demo_base
from workers.host import Host
from workers.presence import Presence
from workers.run import run
from workers.warehouse import TIMEOUT

PATIENCE = 30.0  # seconds, less than any time-out of the work
SOON = 15.0  # seconds, less than the time-out of a call to the server
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n"


@pytest.fixture
def stall(request: pytest.FixtureRequest) -> Iterator[Stall]:
    with closing(Stall(getattr(request, "param", b""))) as stall:
        yield stall


def test_the_work_would_wait_longer_than_these_tests() -> None:
    assert min(TIMEOUT, http._SILENCE) > PATIENCE


def cancel_when(reached: Callable[[], Any], server: Server, task: Task, host: Host) -> None:
    """Run `task`, cancel it once it stands still, and see that nothing is left of it."""
    thread = threading.Thread(target=run, args=(task.id, host), daemon=True)
    thread.start()
    reached()
    (begun,) = host.journal.begun(host.kind)
    assert begun.pid is not None
    assert machine.started(begun.pid) == begun.started
    with server.changed:
        task.answer = "cancel"
    thread.join(PATIENCE)
    assert not thread.is_alive(), "the cancel waits for the server that stands still"
    assert machine.started(begun.pid) is None
    assert machine.kill_marked(MARK, begun.claim_id) == [], "somebody of its group is left"
    assert [final["outcome"] for final in task.finals] == ["canceled"]
    assert (host.journal.begun(host.kind), host.journal.owed(host.kind)) == ([], [])
    assert left(host) == []


def left(host: Host) -> list[Path]:
    """All that attempts leave in the data folder."""
    return [path for name in ("work", "images") for path in (host.config.data / name).rglob("*")]


class TestDownload:
    @pytest.mark.parametrize("stall", [b"", b"220 ready\r\n"], ids=["greeting", "login"], indirect=True)
    def test_a_warehouse_that_says_nothing(
        self, server: Server, image: Image, stall: Stall, downloader: Host
    ) -> None:
        server.ticket = {"host": "127.0.0.1", "port": stall.port, "tls": False, "password": "eyJ.x.y"}
        task = server.add("download", image.spec)
        cancel_when(lambda: stall.reached.wait(PATIENCE), server, task, downloader)

    def test_a_warehouse_that_stops_in_the_middle_of_a_file(
        self, server: Server, slow_warehouse: Warehouse, image: Image, downloader: Host
    ) -> None:
        task = server.add("download", image.spec)

        def reached() -> None:
            server.wait_for(lambda: any(r.get("progress", {}).get("done", 0) > 0 for r in task.reports))
            assert left(downloader), "there is something to clear away"

        cancel_when(reached, server, task, downloader)


class TestCreate:
    @pytest.fixture
    def creator(self, host_of: Callable[[Kind], Host]) -> Host:
        return host_of(Kind.CREATE)

    @pytest.mark.parametrize("stall", [b"", HEAD + bytes(100_000)], ids=["head", "body"], indirect=True)
    def test_a_source_that_says_nothing_more(self, server: Server, stall: Stall, creator: Host) -> None:
        recipe = {
            "base": {"source": f"http://127.0.0.1:{stall.port}/base.img"},
            "output": {"size": "128MiB"},
        }
        task = server.add("create", {"name": "hotspot", "recipe": yaml.safe_dump(recipe)})
        cancel_when(lambda: stall.reached.wait(PATIENCE), server, task, creator)

    def test_a_warehouse_that_takes_nothing_more(self, server: Server, creator: Host, tmp_path: Path) -> None:
        (tmp_path / "incoming").mkdir()
        make_demo_base(tmp_path / "base.img")
        with closing(ContentServer()) as content, closing(Warehouse(tmp_path / "incoming")) as incoming:
            server.ticket, incoming.take_at_most = incoming.ticket, 100_000
            base = content.put("/base.img", (tmp_path / "base.img").read_bytes())
            file = {"url": content.put("/one.zim", Random(3).randbytes(3_000_000)), "to": "/data/one.zim"}
            recipe = {"base": {"source": base}, "output": {"size": "128MiB"}, "files": [file]}
            task = server.add("create", {"name": "hotspot", "recipe": yaml.safe_dump(recipe)})

            def reached() -> None:
                server.wait_for(incoming.full.is_set, within=60)
                assert left(creator), "there is something to clear away"

            cancel_when(reached, server, task, creator)
            assert incoming.published == []


class TestSilentServer:
    """The server takes a report and says nothing for as long as a caller is ready to wait."""

    @pytest.fixture
    def silent(self, server: Server) -> Iterator[threading.Event]:
        """Set once a report hangs. Everything but reports is answered."""
        hangs, go = threading.Event(), threading.Event()

        def lose(path: str) -> str:
            if path.endswith("/report") and not go.is_set():
                hangs.set()
                go.wait(PATIENCE)
            return ""

        server.lose = lose
        yield hangs
        go.set()

    @pytest.fixture
    def task(self, server: Server, image: Image) -> Task:
        return server.add("download", image.spec)

    @staticmethod
    def work(task: Task, host: Host) -> threading.Thread:
        thread = threading.Thread(target=Attempt.run, args=(attempt_of(task, host),), daemon=True)
        thread.start()
        return thread

    def test_a_cancel_that_a_beat_brings_ends_the_work(
        self, server: Server, slow_warehouse: Warehouse, task: Task, downloader: Host, silent: threading.Event
    ) -> None:
        bench = Bench(1, lambda _: attempt_of(task, downloader).run())
        thread = threading.Thread(target=bench.run, args=(task.id,), daemon=True)
        thread.start()
        assert silent.wait(PATIENCE)
        task.answer = "cancel"
        Presence(downloader, bench).beat()
        thread.join(SOON)
        assert not thread.is_alive(), "the cancel waits for the answer to a report"
        (owed,) = downloader.journal.owed(downloader.kind)
        assert owed.body["outcome"] == "canceled"

    def test_a_stop_gives_the_work_back(
        self, server: Server, slow_warehouse: Warehouse, task: Task, downloader: Host, silent: threading.Event
    ) -> None:
        thread = self.work(task, downloader)
        assert silent.wait(PATIENCE)
        downloader.stopping.set()
        thread.join(SOON)
        assert not thread.is_alive(), "the stop waits for the answer to a report"
        (owed,) = downloader.journal.owed(downloader.kind)
        assert owed.call == "release"

    def test_the_hard_limit_holds(
        self, server: Server, slow_warehouse: Warehouse, task: Task, downloader: Host, silent: threading.Event
    ) -> None:
        task.deadline = 1
        thread = self.work(task, downloader)
        assert silent.wait(PATIENCE)
        thread.join(SOON)
        assert not thread.is_alive(), "the limit waits for the answer to a report"
        (owed,) = downloader.journal.owed(downloader.kind)
        assert owed.body["trouble"]["code"] == "too_slow"


def attempt_of(task: Task, host: Host) -> Attempt:
    """The attempt at `task`, claimed."""
    claim_id = host.journal.begin(task.id, host.kind, host.boot_id)
    claim = {"claim_id": claim_id, "boot_id": host.boot_id, "protocol": PROTOCOL, "version": "0"}
    assignment = host.api.claim(task.id, claim)
    host.journal.claimed(claim_id, assignment["attempt"], assignment["order"])
    return Attempt(host, assignment, claim_id)


@pytest.mark.parametrize("bells", [True, False], ids=["bells", "no bells"])
def test_a_worker_hears_of_a_cancel_though_nothing_moves(
    server: Server, slow_warehouse: Warehouse, image: Image, config: Config, bells: bool
) -> None:
    """A real worker, and no report brings it: the beat must."""
    task = server.add("download", image.spec)
    server.ring = [task.id]
    broker = {"IMAGER_BROKER_URL": os.environ["REDIS_URL"]} if bells else {}
    worker = subprocess.Popen(
        [sys.executable, "-m", "workers", "downloader"],
        env={**os.environ, "IMAGER_CONFIG": str(config.path), **broker},
        stderr=subprocess.DEVNULL,
    )
    try:
        server.wait_for(lambda: any(r.get("progress", {}).get("done", 0) > 0 for r in task.reports))
        with server.changed:
            task.beat_answer = "cancel"  # reports are told to go on
            server.ring = []
        server.wait_for(lambda: task.finals, within=SOON)
        assert [final["outcome"] for final in task.finals] == ["canceled"]
        assert machine.kill_marked(MARK, task.claim_id) == []
    finally:
        worker.terminate()
        assert worker.wait(30) == 0
