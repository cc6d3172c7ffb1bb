"""The server says which images a writer host keeps; the host's own downloader clears the rest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from imager.lifecycle import move
from orders import services as orders
from tasks_app import services
from tasks_app.lifecycle import MOVES, TaskStatus
from tasks_app.models import Host, Task
from tests import factories as make
from workers.bench import Bench
from workers.config import load
from workers.contract import PROTOCOL, Kind
from workers.host import Host as Worker
from workers.host import open_host
from workers.places import images_folder
from workers.presence import Presence

S = TaskStatus
BEAT = {
    "kind": "download",
    "boot_id": "b",
    "version": "0.1.0",
    "protocol": PROTOCOL,
    "free_bytes": 10,
    "running": [],
}


@pytest.fixture
def writer() -> Host:
    cache.clear()  # logins are counted there, per address and minute
    return make.host("writer")


@pytest.fixture
def worker(writer: Host, live_server, tmp_path: Path) -> Iterator[Worker]:
    """The downloader of that host, as its configuration makes it."""
    path = tmp_path / "host.toml"
    path.write_text(
        f'url = "{live_server.url}"\nhost = "{writer.name}"\nemail = "{writer.account.email}"\n'
        f'password = "{make.PASSWORD}"\ndata = "{tmp_path / "data"}"\n'
    )
    path.chmod(0o600)
    with open_host(Kind.DOWNLOAD, load(path, {})) as worker:
        yield worker


def put(worker: Worker, task: Task) -> Path:
    folder = images_folder(worker.config.data, str(task.order_id))
    folder.mkdir(parents=True)
    (folder / "x.img.zst").write_bytes(os.urandom(16))
    return folder


def at(status: str, task: Task) -> Task:
    """The task, brought to `status` without its host."""
    fields = {"status": status}
    if status == S.RUNNING:
        fields |= {"attempt": 1, "lease_expires_at": task.created_at, "reclaim_at": task.created_at}
    Task.objects.filter(pk=task.pk).update(**fields)
    task.refresh_from_db()
    return task


@pytest.mark.django_db(transaction=True)
def test_images_leave_the_host_when_their_cards_are_written(writer: Host, worker: Worker) -> None:
    card = make.task(kind=Kind.WRITE, host=writer, unit=1, status=S.WAITING)
    elsewhere = make.task(kind=Kind.WRITE, host=make.host("writer"), unit=1, status=S.WAITING)
    stays, goes = put(worker, card), put(worker, elsewhere)
    presence = Presence(worker, Bench(1, lambda _: None))

    presence.beat()
    assert (stays.exists(), goes.exists()) == (True, False)

    at(S.RUNNING, card)
    presence.beat()
    assert stays.exists()

    at(S.DONE, card)
    presence.beat()
    assert not stays.exists()


@pytest.mark.django_db(transaction=True)
def test_an_image_outlives_a_failure_and_not_a_cancel(writer: Host, worker: Worker) -> None:
    order = make.order()
    card = at(S.RUNNING, make.task(order, kind=Kind.WRITE, host=writer, unit=1, status=S.WAITING))
    folder = put(worker, card)
    presence = Presence(worker, Bench(1, lambda _: None))

    move(card, S.FAILED, table=MOVES, by="test")
    presence.beat()
    assert folder.exists()

    orders.cancel(order, by=make.staff())
    presence.beat()
    assert not folder.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("kind", [Kind.DOWNLOAD, Kind.WRITE])
@pytest.mark.parametrize("status", TaskStatus.values)
def test_what_is_kept_by_kind_and_status(writer: Host, kind: Kind, status: str) -> None:
    task = at(status, make.task(kind=kind, host=writer, unit=1))

    kept = services.beat(writer, BEAT)["keep"]  # type: ignore[arg-type]

    assert kept == ([] if status in (S.DONE, S.CANCELED) else [str(task.order_id)])


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["draining", "disabled"])
def test_a_host_that_may_not_work_keeps_its_images(writer: Host, state: str) -> None:
    task = make.task(kind=Kind.DOWNLOAD, host=writer)
    setattr(writer, state, True)
    writer.save()

    answer = services.beat(writer, BEAT)  # type: ignore[arg-type]

    assert answer == {"ring": [], "drain": True, "keep": [str(task.order_id)]}


@pytest.mark.django_db
def test_creators_keep_no_images() -> None:
    answer = services.beat(make.host(), {**BEAT, "kind": "create"})  # type: ignore[arg-type]

    assert "keep" not in answer


@pytest.mark.django_db
def test_as_many_questions_for_one_order_as_for_many(writer: Host) -> None:
    asked = []
    for orders_made in (1, 3):
        while Task.objects.count() < 3 * orders_made:
            order = make.order()
            for unit in range(3):
                make.task(order, kind=Kind.WRITE, host=writer, unit=unit + 1, status=S.WAITING)
        with CaptureQueriesContext(connection) as queries:
            kept = services.beat(writer, BEAT)["keep"]  # type: ignore[arg-type]
        assert len(kept) == orders_made, "each order once"
        asked.append(len(queries))
    assert asked[0] == asked[1]
