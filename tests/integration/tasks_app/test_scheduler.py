"""The scheduler: hears a commit, rings the real broker by name; goes on sweeping when the broker is away."""

from __future__ import annotations

import os
import threading

import pytest
import redis
from celery import Celery
from django.db import connection, transaction

from tasks_app import followers
from tasks_app.scheduler import Scheduler
from tests import factories as make

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 20  # seconds until a test gives up; no test waits for it when all is well


@pytest.fixture
def broker():
    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    client.flushdb()
    yield client
    client.flushdb()
    client.close()


def celery_app(url: str) -> Celery:
    app = Celery("test", broker=url)
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.conf.broker_url = url
    return app


class Running:
    """A scheduler in a thread."""

    def __init__(self, app: Celery) -> None:
        self.stopping = threading.Event()
        self.scheduler = Scheduler(app, self.stopping)
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.scheduler.run()
        finally:
            connection.close()

    def __enter__(self) -> Scheduler:
        self.thread.start()
        return self.scheduler

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        with connection.cursor() as cursor:
            cursor.execute("NOTIFY imager_bell")
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()


@pytest.fixture
def swept():
    """Set whenever a sweep has run."""
    event = threading.Event()
    work = followers.every_minute(event.set)
    yield event
    followers._periodic.remove(work)


def test_a_commit_rings_the_queue_of_the_channel(broker, swept):
    with Running(celery_app(os.environ["REDIS_URL"])):
        assert swept.wait(PATIENCE)  # it listens by now
        with transaction.atomic():
            task = make.task()
            assert broker.llen("creator.main") == 0  # nothing rings before the commit
        assert broker.blpop("creator.main", PATIENCE) is not None

    task.refresh_from_db()
    assert task.rung_at is not None


def test_the_message_holds_an_id_and_a_number_and_nothing_else(broker):
    import base64
    import json

    order = make.order(recipe="offspot: {ap: {passphrase: SECRET-CANARY}}")
    task = make.task(order)
    Scheduler(celery_app(os.environ["REDIS_URL"]), threading.Event()).ring()

    raw = broker.lpop("creator.main")
    message = json.loads(raw)
    arguments = json.loads(base64.b64decode(message["body"]))

    assert message["headers"]["task"] == "workers.create"
    assert arguments[:2] == [[], {"task": str(task.pk), "protocol": 1}]
    assert b"SECRET-CANARY" not in raw


def test_sweeps_go_on_while_the_broker_is_away(swept):
    make.task()
    with Running(celery_app("redis://127.0.0.1:1/0")) as scheduler:
        assert swept.wait(PATIENCE)
        assert scheduler.broker_rests_until > 0


def test_two_schedulers_ring_each_bell_once(broker, swept):
    make.channel()
    for _ in range(5):
        make.task()
    app = celery_app(os.environ["REDIS_URL"])
    with Running(app), Running(app):
        assert swept.wait(PATIENCE)

    assert broker.llen("creator.main") == 5
