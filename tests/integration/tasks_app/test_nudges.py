"""A canceled attempt at work: the scheduler tells its worker to beat, at once and no oftener than needed."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
import redis
from django.utils import timezone

from tasks_app import bells, nudges, scheduler
from tasks_app.models import Host, Task
from tasks_app.nudges import Nudges
from tasks_app.services import cancel_tasks
from tests import factories as make
from tests.integration.tasks_app.test_scheduler import PATIENCE, Running, broker, celery_app, swept

pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["broker", "swept"]

DEAD = "redis://127.0.0.1:1/0"


def running(task: Task, host: Host) -> Task:
    """`task`, at work on `host`, which was just heard of."""
    soon = timezone.now() + timedelta(minutes=5)
    fields = {"status": "running", "attempt": 1, "lease_expires_at": soon, "reclaim_at": soon}
    Task.objects.filter(pk=task.pk).update(host=host, **fields)
    task.refresh_from_db()
    return task


@pytest.fixture
def at_work():
    """A build at work on the host `builder`."""
    return running(make.task(), make.host("creator", name="builder", last_seen_at=timezone.now()))


@pytest.fixture
def given(broker):
    return Nudges(celery_app(os.environ["REDIS_URL"]))


def test_a_cancel_nudges_the_worker_at_once(broker, swept, at_work, monkeypatch):
    monkeypatch.setattr(scheduler, "RING_EVERY", 3600.0)  # it does not find it by looking
    with Running(celery_app(os.environ["REDIS_URL"])):
        assert swept.wait(PATIENCE)  # it listens by now
        cancel_tasks(at_work.order, by="a member")
        assert broker.blpop("nudge.creator.builder", PATIENCE) == (b"nudge.creator.builder", b"")


def test_a_nudge_is_not_given_twice_at_once_and_does_not_stay(broker, given, at_work):
    assert given.ring() == 0  # nothing was canceled
    cancel_tasks(at_work.order, by="a member")

    assert [given.ring(), given.ring()] == [1, 0]
    assert Nudges(given._app).ring() == 1  # a replica, or the same one after a restart
    assert broker.llen("nudge.creator.builder") == 1
    assert 0 < broker.ttl("nudge.creator.builder") <= nudges.LIFE


def test_a_nudge_is_given_again_while_the_attempt_goes_on(broker, given, at_work, monkeypatch):
    cancel_tasks(at_work.order, by="a member")
    monkeypatch.setattr(nudges, "AGAIN", 0.0)
    assert [given.ring(), given.ring()] == [1, 1]
    Task.objects.filter(pk=at_work.pk).update(status="canceled")
    assert given.ring() == 0


def test_nobody_is_nudged_who_is_not_there(broker, given, at_work):
    Host.objects.update(last_seen_at=timezone.now() - timedelta(hours=1))
    cancel_tasks(at_work.order, by="a member")
    assert given.ring() == 0
    assert broker.keys("nudge.*") == []


@pytest.mark.parametrize("kind", ["download", "write"])
def test_each_worker_of_a_writer_host_has_a_list_of_its_own(broker, given, kind):
    host = make.host("writer", name="mali-1", last_seen_at=timezone.now())
    task = running(make.task(kind=kind, host=host, unit=int(kind == "write")), host)
    cancel_tasks(task.order, by="a member")
    assert given.ring() == 1
    worker = {"download": "downloader", "write": "writer"}[kind]
    assert broker.keys("nudge.*") == [f"nudge.{worker}.mali-1".encode()]


def test_a_broker_that_is_away_raises_what_the_scheduler_knows_and_is_asked_again(broker, at_work):
    cancel_tasks(at_work.order, by="a member")
    away = Nudges(celery_app(DEAD))
    for _ in range(2):
        with pytest.raises(bells.AWAY):
            away.ring()


def test_hosts_may_hear_their_own_nudges_and_no_others(broker):
    from tasks_app.broker import admit

    url = os.environ["REDIS_URL"]
    host = make.host("writer", name="mali-1")
    mine = admit(host, server_url=url, host_url=url)
    try:
        with redis.Redis.from_url(mine) as client:
            for worker in ("downloader", "writer"):
                assert client.llen(f"nudge.{worker}.mali-1") == 0
            for other in ("nudge.writer.mali-2", "nudge.creator.mali-1"):
                with pytest.raises(redis.exceptions.NoPermissionError):
                    client.llen(other)
    finally:
        broker.acl_deluser("host-mali-1")


def test_hosts_are_admitted_by_a_broker_that_does_not_know_the_newest_command(broker, monkeypatch):
    """Redis 7.0 answers so to the whole line, and leaves the user as it was."""
    from tasks_app.broker import NEWEST, admit

    whole = redis.Redis.execute_command

    def older(client, *words, **options):
        if NEWEST in words:
            raise redis.ResponseError(
                f"Error in ACL SETUSER modifier '{NEWEST}': Unknown command or category name in ACL"
            )
        return whole(client, *words, **options)

    monkeypatch.setattr(redis.Redis, "execute_command", older)
    url = os.environ["REDIS_URL"]
    mine = admit(make.host("writer", name="mali-1"), server_url=url, host_url=url)
    try:
        with redis.Redis.from_url(mine) as client:
            assert client.llen("nudge.writer.mali-1") == 0
    finally:
        broker.acl_deluser("host-mali-1")
