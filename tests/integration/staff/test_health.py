"""The health of the service: for a monitoring without secrets, for staff with reasons."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.core.cache import caches
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from imager import health
from imager.accounts.models import Organization
from tasks_app import pulse
from tasks_app.models import Host, Outbox, Pulse, Stumble, Task
from tests import factories as make
from warehouse.models import Warehouse

pytestmark = pytest.mark.django_db

WORKS = [
    "database",
    "scheduler",
    "ringer",
    "server_worker",
    "hosts",
    "builds",
    "mails",
    "stumbles",
    "warehouse",
    "base_image",
]


@pytest.fixture(autouse=True)
def _unasked():
    caches["throttle"].clear()


@pytest.fixture
def healthy(school, line, settings) -> None:
    settings.BASE_IMAGE_URL, settings.BASE_IMAGE_BYTES = "https://base.example/base.img", 1
    for role in (pulse.SCHEDULER, pulse.RINGER, pulse.SERVER_WORKER):
        pulse.beat(role)
    Host.objects.update(last_seen_at=timezone.now())
    Outbox.objects.update(sent_at=timezone.now())


def asked() -> tuple[int, dict[str, bool]]:
    answer = Client().get("/health/")
    assert answer["Cache-Control"].startswith("max-age=0")
    told = answer.json()
    assert told["operational"] == (answer.status_code == 200)
    return answer.status_code, told["checks"]


def test_all_is_well(healthy):
    assert asked() == (200, dict.fromkeys(WORKS, True))


def _silent_scheduler():
    Pulse.objects.filter(role=pulse.SCHEDULER).update(at=timezone.now() - timedelta(minutes=5))


def _late_mail():
    Outbox.objects.create(kind="mail", dedupe="x", not_before=timezone.now() - timedelta(hours=1))


def _late_build():
    make.task()
    Task.objects.update(queued_at=timezone.now() - timedelta(hours=49))


FAULTS = {
    "scheduler": (_silent_scheduler, "silent for 5 min"),
    "ringer": (lambda: Pulse.objects.filter(role=pulse.RINGER).delete(), "never run"),
    "server_worker": (lambda: Pulse.objects.filter(role=pulse.SERVER_WORKER).delete(), "never run"),
    "hosts": (lambda: Host.objects.filter(kind="writer").update(disabled=True), "writer (main)"),
    "builds": (_late_build, "waits for 2 d 1 h"),
    "mails": (_late_mail, "1 wait for too long"),
    "stumbles": (
        lambda: Stumble.objects.create(job="ring", subject="7", count=3, not_before=timezone.now()),
        "ring 7",
    ),
    "warehouse": (lambda: Warehouse.objects.update(active=False), "no active warehouse"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_told_to_the_monitoring_and_explained_to_staff(name, healthy, school):
    fault, words = FAULTS[name]
    fault()
    code, told = asked()
    assert code == 503
    assert [check for check, good in told.items() if not good] == [name]
    assert words not in Client().get("/health/").content.decode()

    client = Client()
    client.force_login(make.clerk("operator"))
    page = client.get("/staff/health/").content.decode()
    assert words in page
    assert "Something does not work" in page


def test_a_missing_base_image(healthy, settings):
    settings.BASE_IMAGE_URL = ""
    assert asked()[1]["base_image"] is False


def test_a_channel_that_serves_nobody_needs_no_hosts(healthy):
    make.channel("spare")
    assert asked()[0] == 200
    gone = make.organization(channel=make.channel("gone"))
    caches["throttle"].clear()
    assert asked()[1]["hosts"] is False
    Organization.objects.filter(pk=gone.pk).update(active=False)
    caches["throttle"].clear()
    assert asked()[0] == 200


def test_without_a_database(monkeypatch):
    def gone():
        raise OperationalError("secret-host refused the connection")

    monkeypatch.setattr(health, "checks", gone)
    answer = Client().get("/health/")
    assert (answer.status_code, answer.json()) == (503, {"operational": False, "checks": {"database": False}})


@pytest.mark.parametrize("many", [1, 3])
def test_a_few_questions_however_many_hosts(healthy, many, django_assert_num_queries):
    for _ in range(many):
        make.host(channel=make.channel(f"c{_}"))
        make.organization(channel=make.channel(f"c{_}"))
    with django_assert_num_queries(9):
        health.checks()


def test_whoever_asks_without_pause_asks_the_database_once_in_five_seconds(
    healthy, monkeypatch, django_assert_num_queries
):
    assert asked()[0] == 200
    _late_mail()
    with django_assert_num_queries(0):
        assert asked()[0] == 200
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 5)
    assert asked()[1]["mails"] is False


def test_organizations_and_hosts_are_not_multiplied(healthy):
    with CaptureQueriesContext(connection) as told:
        health._hosts(timezone.now())
    (one,) = told
    assert "JOIN" not in one["sql"]


def test_the_reasons_are_for_staff(school):
    for user in (school.member, make.user(role="staff")):
        client = Client()
        client.force_login(user)
        assert client.get("/staff/health/").status_code == 403
