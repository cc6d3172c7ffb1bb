"""The scheduler: hears a commit, rings the real broker by name; goes on sweeping when the broker is away."""

from __future__ import annotations

import base64
import json
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import redis
from celery import Celery
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from psycopg.errors import LockNotAvailable

from tasks_app import chores, dispatch, followers, pulse, services, stumbles
from tasks_app.models import Chore, Pulse, Stumble, Task
from tasks_app.scheduler import Scheduler
from tasks_app.services import sweeping
from tasks_app.services.moving import lock
from tasks_app.stumbles import Footing
from tests import factories as make
from workers.contract import PROTOCOL

pytestmark = pytest.mark.django_db(transaction=True)

LONG_AGO = timezone.now() - timedelta(days=3)
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
    order = make.order(recipe="offspot: {ap: {passphrase: SECRET-CANARY}}")
    task = make.task(order)
    Scheduler(celery_app(os.environ["REDIS_URL"]), threading.Event()).ring()

    raw = broker.lpop("creator.main")
    message = json.loads(raw)
    arguments = json.loads(base64.b64decode(message["body"]))

    assert message["headers"]["task"] == "workers.create"
    assert arguments[:2] == [[], {"task": str(task.pk), "protocol": PROTOCOL}]
    assert b"SECRET-CANARY" not in raw


def test_sweeps_go_on_while_the_broker_is_away(swept):
    make.task()
    with Running(celery_app("redis://127.0.0.1:1/0")) as scheduler:
        assert swept.wait(PATIENCE)
        until(lambda: scheduler.broker_rests_until > 0)


def until(true) -> None:
    """Wait for it; nobody waits that long when all is well."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


class Hole:
    """A broker that takes connections and never says a word, as one that was frozen or cut off."""

    def __enter__(self) -> str:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        return f"redis://127.0.0.1:{self.listener.getsockname()[1]}/0"

    def __exit__(self, *_: object) -> None:
        self.listener.close()


def test_sweeps_go_on_while_the_broker_says_nothing(swept, settings):
    settings.SWEEP_EVERY = 0.01
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {
        **settings.CELERY_BROKER_TRANSPORT_OPTIONS,
        "socket_timeout": 3,
    }
    make.task()
    with Hole() as url, Running(celery_app(url)) as scheduler:
        until(lambda: Task.objects.filter(rung_at__isnull=False).exists())  # it hangs in its first bell now
        for _ in range(3):
            swept.clear()
            assert swept.wait(PATIENCE)
        assert scheduler.broker_rests_until == 0
        until(lambda: scheduler.broker_rests_until > 0)


def test_a_row_that_breaks_the_sweep_is_put_off_and_shown_and_the_rest_goes_on(swept, monkeypatch):
    host = make.host()
    good, bad = [make.task() for _ in range(2)]
    for task in (good, bad):
        services.claim(task.pk, host, make.claim_body())
    Task.objects.update(reclaim_at=LONG_AGO, lease_expires_at=LONG_AGO)
    real = sweeping.ending.fail

    def fail(task, *arguments, **named):
        if task.pk == bad.pk:
            raise ZeroDivisionError("poisoned")
        real(task, *arguments, **named)

    monkeypatch.setattr(sweeping.ending, "fail", fail)
    assert sweeping.reclaim() == 1
    assert sweeping.reclaim() == 0  # it rests

    stumble = Stumble.objects.get()
    assert (stumble.job, stumble.subject, stumble.count) == ("reclaim", str(bad.pk), 1)
    assert "ZeroDivisionError: poisoned" in stumble.error
    assert Task.objects.get(pk=good.pk).status == "queued"
    assert Task.objects.get(pk=bad.pk).status == "running"
    Stumble.objects.update(not_before=LONG_AGO)
    assert sweeping.reclaim() == 0
    stumble.refresh_from_db()
    assert stumble.count == 2
    assert stumble.not_before > timezone.now() + timedelta(seconds=100)  # twice as long

    monkeypatch.setattr(sweeping.ending, "fail", real)
    Stumble.objects.update(not_before=LONG_AGO)
    assert sweeping.reclaim() == 1
    assert not Stumble.objects.exists()


def test_a_row_that_breaks_the_bell_is_put_off_and_the_rest_rings(broker, monkeypatch):
    bad, good = make.task(), make.task()
    real = dispatch.message_for

    def message_for(task):
        return {}["x"] if task.pk == bad.pk else real(task)

    monkeypatch.setattr(dispatch, "message_for", message_for)
    scheduler = Scheduler(celery_app(os.environ["REDIS_URL"]), threading.Event())
    scheduler.ring()

    assert broker.llen("creator.main") == 1
    assert str(good.pk) in base64.b64decode(json.loads(broker.lindex("creator.main", 0))["body"]).decode()
    assert Stumble.objects.get().subject == str(bad.pk)


def test_periodic_work_that_breaks_ends_neither_the_scheduler_nor_other_work(swept, settings):
    settings.SWEEP_EVERY = 0.01
    monday = followers.every_minute(lambda: {}["monday"])
    followers._periodic.insert(0, followers._periodic.pop())
    try:
        with Running(celery_app(os.environ["REDIS_URL"])) as scheduler:
            for _ in range(2):
                swept.clear()
                assert swept.wait(PATIENCE)
            assert not scheduler.broken
    finally:
        followers._periodic.remove(monday)
    assert Stumble.objects.get().count == 1


def test_a_row_that_somebody_holds_is_left_for_later(lost_build):
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        lock(lost_build.pk)
        assert pool.submit(alone, sweeping.reclaim).result(PATIENCE) == 0  # does not wait for us
    assert not Stumble.objects.exists()
    assert sweeping.reclaim() == 1


@pytest.fixture
def lost_build():
    task = make.task()
    services.claim(task.pk, make.host(), make.claim_body())
    Task.objects.update(reclaim_at=LONG_AGO, lease_expires_at=LONG_AGO)
    return task


def alone(action):
    try:
        return action()
    finally:
        connection.close()


def test_a_database_that_is_gone_is_no_fault_of_the_row(lost_build):
    def cut():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(OperationalError):
        Footing("reclaim").step(lost_build.pk, cut)
    connection.close()
    assert not Stumble.objects.exists()


def test_work_that_takes_too_long_for_the_database_is_put_off_and_shown():
    def endless():
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = '5ms'")
            cursor.execute("SELECT pg_sleep(60)")

    try:
        assert Footing("periodic").step("tidy", endless) is None
    finally:
        connection.close()
    assert "statement timeout" in Stumble.objects.get(job="periodic", subject="tidy").error


def test_work_that_waited_for_a_lock_is_not_put_off():
    def held():
        raise OperationalError("lock timeout") from LockNotAvailable()

    assert Footing("periodic").step("tidy", held) is None
    assert not Stumble.objects.exists()


def test_stumbles_over_what_is_gone_are_forgotten_in_the_end():
    rests = {"gone": timedelta(days=-2), "lately": timedelta(hours=-20), "rests": timedelta(hours=1)}
    for subject, left in rests.items():
        Stumble.objects.create(job="expire", subject=subject, not_before=timezone.now() + left)

    assert stumbles.forget() == 1
    assert set(Stumble.objects.values_list("subject", flat=True)) == {"lately", "rests"}
    assert ("day", stumbles.forget) in followers.chores()


def test_the_schedulers_say_that_they_live(swept):
    with pytest.raises(CommandError, match="No scheduler has run on"):
        call_command("scheduler", healthy=True)
    with Running(celery_app(os.environ["REDIS_URL"])):
        assert swept.wait(PATIENCE)
    call_command("scheduler", healthy=True)
    Pulse.objects.update(at=timezone.now() - timedelta(seconds=100))
    with pytest.raises(CommandError, match=r"is silent for \d+ s"):
        call_command("scheduler", healthy=True)


def test_a_ringer_that_stands_still_is_no_sign_of_life(swept, settings, monkeypatch):
    settings.SWEEP_EVERY = 0.01
    ringing, go = threading.Event(), threading.Event()

    def stand_still(_scheduler):
        ringing.set()
        go.wait(PATIENCE)

    monkeypatch.setattr(Scheduler, "ring", stand_still)
    with Running(celery_app(os.environ["REDIS_URL"])):
        assert swept.wait(PATIENCE)
        assert ringing.wait(PATIENCE)  # it has said that it lives, and says no more
        Pulse.objects.update(at=timezone.now() - timedelta(seconds=100))
        for _ in range(2):  # the sweeper lives
            swept.clear()
            assert swept.wait(PATIENCE)
        try:
            with pytest.raises(CommandError, match=r"The scheduler-ringer on .* is silent"):
                call_command("scheduler", healthy=True)
        finally:
            go.set()


def test_a_sign_of_life_of_another_machine_is_none():
    Pulse.objects.create(role="scheduler", place="elsewhere", at=timezone.now())
    Pulse.objects.create(role="server-worker", place=pulse.here(), at=timezone.now())

    with pytest.raises(CommandError):
        call_command("scheduler", healthy=True)
    call_command("server_worker", healthy=True)


def test_daily_work_is_done_once_by_however_many_and_again_when_it_failed():
    done, begun, go = [], threading.Event(), threading.Event()

    def work():
        begun.set()
        assert go.wait(PATIENCE)
        done.append(1)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(alone, lambda: chores.run("tidy", "day", work))
        assert begun.wait(PATIENCE)
        assert chores.run("tidy", "day", work) is False  # another is at it
        go.set()
        assert first.result(PATIENCE) is True
    assert chores.run("tidy", "day", work) is False
    Chore.objects.update(slot=LONG_AGO)
    with pytest.raises(KeyError):
        chores.run("tidy", "day", lambda: {}["x"])
    assert chores.run("tidy", "day", work) is True
    assert len(done) == 2


def test_two_schedulers_ring_each_bell_once(broker, swept):
    make.channel()
    for _ in range(5):
        make.task()
    app = celery_app(os.environ["REDIS_URL"])
    with Running(app), Running(app):
        assert swept.wait(PATIENCE)

    assert broker.llen("creator.main") == 5
