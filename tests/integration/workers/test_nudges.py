"""A cancel reaches a worker that beats rarely, in real processes: by a nudge, or by a beat of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import redis

from tests.doubles.image import Image
from tests.doubles.server import Server, Task
from tests.doubles.warehouse import Warehouse
from tests.integration.workers.test_worker_process import Start, end, said, start
from workers.contract import Kind, nudge_of

__all__ = ["start"]

HOURS = 3600.0  # between two beats, as soon as the server has said so
LIST = nudge_of(Kind.DOWNLOAD, "writer-1")
BROKER = {"IMAGER_BROKER_URL": os.environ["REDIS_URL"]}


@pytest.fixture
def broker() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        client.delete(LIST)
        yield client
        client.delete(LIST)


@pytest.fixture
def task(server: Server, slow_warehouse: Warehouse, image: Image) -> Task:
    """A download that stands still once it has begun. Reports do not hear of its cancel."""
    return server.add("download", image.spec)


def stands_still(server: Server, task: Task, pace: float | None = None) -> None:
    """It downloads, a beat has named it, and the next one comes after `pace` seconds."""
    server.wait_for(lambda: any(report["step"] == "downloading" for report in task.reports))
    with server.changed:
        server.pace = pace
        server.beats.clear()
    server.wait_for(lambda: any(beat["attempts"] for beat in server.beats))


def test_a_nudge_brings_the_cancel_to_a_worker_whose_place_is_taken(
    server: Server, task: Task, start: Start, broker: redis.Redis
) -> None:
    server.ring = [task.id]
    worker = start("downloader", **BROKER)
    stands_still(server, task, HOURS)
    task.beat_answer = "cancel"
    broker.lpush(LIST, "")
    server.wait_for(lambda: task.finals)
    assert task.finals[0]["outcome"] == "canceled"
    assert end(worker) == 0


def test_a_nudge_brings_the_cancel_to_a_task_in_the_foreground(
    server: Server, task: Task, start: Start, broker: redis.Redis
) -> None:
    worker = start("downloader", "--once", task.id, **BROKER)
    stands_still(server, task, HOURS)
    task.beat_answer = "cancel"
    broker.lpush(LIST, "")
    worker.communicate(timeout=60)
    assert worker.returncode == 7
    assert task.finals[0]["outcome"] == "canceled"


def test_a_beat_brings_the_cancel_to_a_task_in_the_foreground(
    server: Server, task: Task, start: Start
) -> None:
    worker = start("downloader", "--once", task.id)
    stands_still(server, task)
    task.beat_answer = "cancel"
    worker.communicate(timeout=60)
    assert worker.returncode == 7
    assert task.finals[0]["outcome"] == "canceled"


def test_a_task_in_the_foreground_lets_no_other_begin(
    server: Server, warehouse: Warehouse, image: Image, start: Start
) -> None:
    task, other = server.add("download", image.spec), server.add("download", image.spec)
    server.ring = [other.id, task.id]
    worker = start("downloader", "--once", task.id)
    worker.communicate(timeout=60)
    assert worker.returncode == 0
    assert server.beats, "it is there, as far as the server can see"
    assert (task.attempt, other.attempt) == (1, 0)


def test_a_broker_that_forbids_nudges_is_named_and_nothing_else_changes(
    server: Server, task: Task, start: Start, broker: redis.Redis, tmp_path: object
) -> None:
    """As for a host that was created before there were nudges."""
    broker.acl_setuser("w2", enabled=True, passwords=["+bells-only"], keys=["downloader.writer-1"])
    place = os.environ["REDIS_URL"].rpartition("@")[2].removeprefix("redis://")
    try:
        server.ring = [task.id]
        worker = start("downloader", IMAGER_BROKER_URL=f"redis://w2:bells-only@{place}")
        stands_still(server, task)
        task.beat_answer = "cancel"
        server.wait_for(lambda: task.finals)
        assert end(worker) == 0
        assert "run `manage.py create_host` again" in said(tmp_path)  # type: ignore[arg-type]
    finally:
        broker.acl_deluser("w2")
