"""`python -m workers …` as real processes: one at a time, both bells, `--once`, signals."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis
from celery import Celery

from tests.doubles.image import MIB, Image
from tests.doubles.server import PASSWORD, Server
from tests.doubles.warehouse import Warehouse
from workers.config import Config
from workers.contract import PROTOCOL
from workers.writer.slots import find

Start = Callable[..., subprocess.Popen[str]]

PREFIXES = ("", "_kombu.binding.", "_kombu.binding_permanent.")


@pytest.fixture
def start(config: Config, tmp_path: Path) -> Iterator[Start]:
    processes = []

    def start(*arguments: str, **env: str) -> subprocess.Popen[str]:
        with (tmp_path / f"stderr-{len(processes)}").open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "workers", *arguments],
                env={**os.environ, "IMAGER_CONFIG": str(config.path), **env},
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def said(tmp_path: Path, number: int = 0) -> str:
    return (tmp_path / f"stderr-{number}").read_text()


def end(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> int:
    process.send_signal(number)
    process.communicate(timeout=60)
    return process.returncode


def test_the_poll_rings_a_worker_without_a_broker(
    server: Server, warehouse: Warehouse, image: Image, start: Start, tmp_path: Path
) -> None:
    task = server.add("download", image.spec)
    server.ring = [task.id]
    worker = start("downloader")
    server.wait_for(lambda: task.finals)
    assert task.finals[0]["outcome"] == "done"
    assert end(worker) == 0
    lines = [json.loads(line) for line in said(tmp_path).splitlines()]
    assert all({"order", "task", "host", "step"} <= set(line) for line in lines)
    assert {line["host"] for line in lines} == {"writer-1"}
    assert any(line["event"] == "ended" and line["order"] == task.order for line in lines)
    assert PASSWORD not in said(tmp_path)
    assert "eyJ" not in said(tmp_path)


def test_a_celery_bell_rings_a_worker(
    server: Server, warehouse: Warehouse, image: Image, start: Start, tmp_path: Path
) -> None:
    broker = os.environ["REDIS_URL"]
    task = server.add("download", image.spec)
    worker = start("downloader", IMAGER_BROKER_URL=broker)
    server.wait_for(lambda: server.beats)
    bell = Celery("bell", broker=broker, set_as_current=False)
    bell.conf.update(broker_transport_options={"ack_emulation": False, "priority_steps": [0]})
    for protocol in (PROTOCOL + 1, PROTOCOL):
        message = {"task": task.id, "protocol": protocol}
        bell.send_task("workers.download", kwargs=message, queue="downloader.writer-1", ignore_result=True)
    server.wait_for(lambda: task.finals)
    assert task.finals[0]["outcome"] == "done"
    assert server.calls["claim"] == 1
    bell.close()
    assert end(worker) == 0
    lines = [json.loads(line) for line in said(tmp_path).splitlines()]
    assert all({"order", "task", "host", "step"} <= set(line) for line in lines)
    assert "a bell of another protocol; update this host" in {line["event"] for line in lines}
    secret = urlsplit(broker).password
    assert secret is None or secret not in said(tmp_path)


def test_a_bell_in_a_broker_that_allows_ten_commands(
    server: Server, warehouse: Warehouse, image: Image, start: Start
) -> None:
    """The host's broker user may touch its own queue and nothing else."""
    broker = os.environ["REDIS_URL"]
    queue = "downloader.writer-1"
    with redis.Redis.from_url(broker) as admin:
        admin.acl_setuser(
            "w1",
            enabled=True,
            passwords=["+bells-only"],
            keys=[*(f"{prefix}{queue}" for prefix in PREFIXES), f"nudge.{queue}"],
            categories=["-@all"],
            commands=[
                *("+ping", "+hello", "+auth", "+client|setname", "+client|setinfo"),
                *("+multi", "+exec", "+discard", "+brpop", "+llen", "+sadd"),
            ],
        )
        parts = urlsplit(broker)
        place = f"w1:bells-only@{parts.hostname}:{parts.port}"
        worker = start("downloader", IMAGER_BROKER_URL=urlunsplit(parts._replace(netloc=place)))
        try:
            server.wait_for(lambda: server.beats)
            task = server.add("download", image.spec)
            bell = Celery("bell", broker=broker, set_as_current=False)
            bell.conf.update(broker_transport_options={"ack_emulation": False, "priority_steps": [0]})
            bell.send_task(
                "workers.download",
                kwargs={"task": task.id, "protocol": PROTOCOL},
                queue=queue,
                ignore_result=True,
            )
            bell.close()
            server.wait_for(lambda: task.finals)
            assert end(worker) == 0
            assert [entry for entry in admin.acl_log() if entry["username"] == "w1"] == []
        finally:
            admin.acl_deluser("w1")


def test_a_broker_that_is_away_stops_nothing(
    server: Server, warehouse: Warehouse, image: Image, start: Start
) -> None:
    task = server.add("download", image.spec)
    server.ring = [task.id]
    worker = start("downloader", IMAGER_BROKER_URL="redis://127.0.0.1:1/0")
    server.wait_for(lambda: task.finals)
    assert end(worker) == 0


def test_a_stop_gives_the_work_back(
    server: Server, slow_warehouse: Warehouse, image: Image, start: Start
) -> None:
    task = server.add("download", image.spec)
    server.ring = [task.id]
    worker = start("downloader", IMAGER_BROKER_URL=os.environ["REDIS_URL"])
    server.wait_for(lambda: any(report["step"] == "downloading" for report in task.reports))
    assert end(worker) == 0
    assert len(task.releases) == 1
    assert task.finals == []


def test_a_killed_worker_s_attempt_is_settled_by_the_next_one(
    server: Server, slow_warehouse: Warehouse, image: Image, start: Start
) -> None:
    task = server.add("download", image.spec)
    server.ring = [task.id]
    first = start("downloader")
    server.wait_for(lambda: any(report["step"] == "downloading" for report in task.reports))
    assert end(first, signal.SIGKILL) == -9
    slow_warehouse.hold_after = None
    second = start("downloader")
    server.wait_for(lambda: task.finals, within=60)
    assert [release["attempt"] for release in task.releases] == [1]
    assert [(final["attempt"], final["outcome"]) for final in task.finals] == [(2, "done")]
    assert end(second) == 0


def test_two_of_one_kind_are_refused(server: Server, start: Start, tmp_path: Path) -> None:
    first = start("downloader")
    server.wait_for(lambda: server.beats)
    second = start("downloader")
    second.communicate(timeout=30)
    assert second.returncode == 4
    assert "is running already: stop it first" in said(tmp_path, 1)
    third = start("writer")
    server.wait_for(lambda: {beat["kind"] for beat in server.beats} == {"download", "write"})
    assert end(first) == end(third) == 0


def test_once(server: Server, warehouse: Warehouse, image: Image, start: Start) -> None:
    task = server.add("download", image.spec)
    worker = start("downloader", "--once", task.id)
    worker.communicate(timeout=60)
    assert worker.returncode == 0
    assert task.finals[0]["outcome"] == "done"


def test_once_with_a_failure_says_whose_fault_it_was(server: Server, image: Image, start: Start) -> None:
    task = server.add("write", {**image.spec, "slot": {"name": "Z", "diskseq": None, "size": 1}})
    worker = start("writer", "--once", task.id)
    worker.communicate(timeout=60)
    assert worker.returncode == 5


def test_once_for_a_task_that_does_not_exist(server: Server, start: Start) -> None:
    worker = start("downloader", "--once", str(uuid.uuid4()))
    worker.communicate(timeout=60)
    assert worker.returncode == 4


@pytest.mark.parametrize("arguments", [("baker",), (), ("writer", "--once", "7")])
def test_usage(start: Start, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    worker = start(*arguments)
    worker.communicate(timeout=30)
    assert worker.returncode == 2


@pytest.mark.parametrize(
    ("worker", "without", "words"),
    [
        ("writer", "slots", "has no slots: add one"),
        ("creator", "channel", "channel is not set"),
        ("downloader", "url", "lacks url"),
    ],
)
def test_a_worker_without_what_it_needs(
    config: Config, start: Start, tmp_path: Path, worker: str, without: str, words: str
) -> None:
    text = config.path.read_text()
    kept = text.partition("[[slots]]")[0] if without == "slots" else text
    config.path.write_text("".join(line for line in kept.splitlines(True) if not line.startswith(without)))
    process = start(worker)
    process.communicate(timeout=30)
    assert process.returncode == 4
    assert words in said(tmp_path)
    assert len(said(tmp_path).splitlines()) == 1


def test_a_worker_ends_with_its_keeper(server: Server, config: Config, tmp_path: Path) -> None:
    script = (
        "import os, subprocess, sys, time\n"
        "argv = [sys.executable, '-m', 'workers', 'downloader', '--parent', str(os.getpid())]\n"
        "print(subprocess.Popen(argv).pid, flush=True); time.sleep(300)\n"
    )
    env = {**os.environ, "IMAGER_CONFIG": str(config.path)}
    keeper = subprocess.Popen([sys.executable, "-c", script], env=env, stdout=subprocess.PIPE, text=True)
    assert keeper.stdout is not None
    worker = int(keeper.stdout.readline())
    server.wait_for(lambda: server.beats)
    keeper.kill()
    keeper.communicate()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{worker}/cmdline").exists() and Path(f"/proc/{worker}/cmdline").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("bells", [True, False])
def test_a_stop_in_the_middle_of_a_card_lets_it_be_finished(
    server: Server, image: Image, config: Config, tmp_path: Path, start: Start, bells: bool
) -> None:
    """The signal comes when the server has the request for the permit: nothing is wiped yet."""
    card = tmp_path / "card-a.img"
    card.write_bytes(b"\xa5" * 16 * MIB)
    state = find(config.slots[0])
    slot = {"name": "A", "diskseq": state["diskseq"], "size": state["size"]}
    task = server.add("write", {**image.spec, "unit": 1, "serial": "S-1", "slot": slot})
    shutil.copytree(image.folder, config.data / "images" / task.order)
    server.ring = [task.id]
    stopped: list[int] = []

    def stop(path: str) -> str:
        if path.endswith("/permit") and not stopped:
            stopped.append(worker.pid)
            worker.send_signal(signal.SIGTERM)
        return ""

    server.lose = stop
    worker = start("writer", **({"IMAGER_BROKER_URL": os.environ["REDIS_URL"]} if bells else {}))
    server.wait_for(lambda: task.finals)
    worker.communicate(timeout=60)
    assert (worker.returncode, len(stopped)) == (0, 1), said(tmp_path)
    assert [final["outcome"] for final in task.finals] == ["done"]
    assert task.releases == []
    assert card.read_bytes()[: len(image.plain)] == image.plain
