"""A server that was away heard nobody: it waits until each host could speak up before it calls one lost."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from celery import Celery
from django.utils import timezone

from tasks_app import hearing, services
from tasks_app.hearing import Hearing
from tasks_app.models import Host, Task
from tasks_app.scheduler import Scheduler
from tests import factories as make

pytestmark = pytest.mark.django_db

LONG_AGO = timezone.now() - timedelta(days=3)


class Clock:
    """The monotonic clock of this machine, as the tests move it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch, settings):
    settings.TASK_LEASE, settings.SWEEP_EVERY = 90, 60
    moved = Clock()
    monkeypatch.setattr(hearing, "time", moved)
    return moved


def heard(*, seconds_ago: float = 0) -> None:
    Host.objects.update(last_seen_at=timezone.now() - timedelta(seconds=seconds_ago))


def after(seconds: float, clock: Clock, ears: Hearing) -> bool:
    """What they say so much later, having looked as often as a scheduler does."""
    while seconds > 60:
        clock.now += 60
        seconds -= 60
        ears.listen()
    clock.now += seconds
    return ears.listen()


def test_it_begins_deaf_and_believes_its_ears_when_each_host_could_speak_up(clock):
    make.host()
    heard()
    ears = Hearing()

    assert ears.listen() is False
    assert after(150, clock, ears) is False
    assert after(1, clock, ears) is True


def test_after_a_general_silence_it_waits_again(clock):
    make.host()
    heard()
    ears = Hearing()
    assert after(151, clock, ears) is True

    heard(seconds_ago=91)  # nobody came through for longer than a lease
    clock.now += 60
    assert ears.listen() is False
    heard()
    assert after(60, clock, ears) is False
    assert after(91, clock, ears) is True


def test_one_that_could_not_look_was_deaf(clock):
    """Its own database was away; one host has come through since, the others are on their way."""
    make.host()
    heard()
    ears = Hearing()
    assert after(151, clock, ears) is True

    clock.now += 121
    heard()
    assert ears.listen() is False
    assert after(150, clock, ears) is False
    assert after(1, clock, ears) is True


def test_one_host_that_is_heard_is_enough_to_miss_another(clock):
    make.host(last_seen_at=LONG_AGO)
    make.host(last_seen_at=timezone.now())
    ears = Hearing()

    assert after(151, clock, ears) is True


def test_a_scheduler_that_has_just_begun_takes_no_build_away(clock):
    """The whole server was away for longer than the time of reclaim; its scheduler is up before the beats."""
    task = make.task()
    services.claim(task.pk, make.host(), make.claim_body())
    Task.objects.update(reclaim_at=LONG_AGO, lease_expires_at=LONG_AGO)
    heard(seconds_ago=4 * 3600)
    scheduler = Scheduler(Celery("test"), threading.Event())

    scheduler.sweep()
    assert Task.objects.get().lost_attempts == 0

    heard()
    after(151, clock, scheduler.hearing)
    scheduler.sweep()
    assert Task.objects.get().lost_attempts == 1
