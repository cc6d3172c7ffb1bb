"""A host that built an image and could not bring it to the warehouse comes first: it need not build again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from imager.api import Problem
from tasks_app import services
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Host, Task
from tasks_app.services import sweeping
from tests import factories as make
from workers.contract import PROTOCOL, Step

pytestmark = pytest.mark.django_db

TROUBLE = {"fault": "host", "code": "warehouse_away", "message": "No byte went to the warehouse."}
AGO = Now() - timedelta(seconds=1)


@pytest.fixture
def hosts():
    return [make.host(last_seen_at=timezone.now()) for _ in range(2)]


def failed(host, step, task=None) -> Task:
    """A build that failed there in this step, and may be claimed again."""
    task = task or make.task()
    number = services.claim(task.pk, host, make.claim_body())["attempt"]
    services.report(task.pk, host, make.report_body(number, step=step))
    services.report(task.pk, host, make.report_body(number, step=step, outcome="failed", trouble=TROUBLE))
    Task.objects.update(not_before=AGO)
    task.refresh_from_db()
    return task


def is_refused(task, host) -> bool:
    try:
        services.claim(task.pk, host, make.claim_body())
    except Problem as problem:
        assert problem.get_codes() == "not_ready"
        return True
    return False


@pytest.mark.parametrize("step", [Step.UPLOADING, Step.PUBLISHING])
def test_after_a_failed_upload_the_same_host_comes_first(hosts, step):
    first, other = hosts
    task = failed(first, step)

    assert is_refused(task, other)
    told = services.claim(task.pk, first, make.claim_body())

    assert (told["attempt"], "built_at" in told["spec"]) == (2, False)
    assert "built_at" not in Task.objects.get().spec


def test_a_build_that_failed_before_is_anybodys(hosts):
    assert not is_refused(failed(hosts[0], Step.PACKING), hosts[1])


def test_a_host_has_its_time_and_no_more(hosts):
    task = failed(hosts[0], Step.UPLOADING)
    Task.objects.update(not_before=timezone.now() - timedelta(minutes=6))

    assert not is_refused(task, hosts[1])


@pytest.mark.parametrize(
    "fields", [{"last_seen_at": timezone.now() - timedelta(hours=1)}, {"draining": True}, {"disabled": True}]
)
def test_nobody_waits_for_a_host_that_takes_nothing(hosts, fields):
    task = failed(hosts[0], Step.UPLOADING)
    Host.objects.filter(pk=hosts[0].pk).update(**fields)

    assert not is_refused(task, hosts[1])


@pytest.mark.parametrize("end", ["released", "lost"])
def test_however_the_upload_ended(hosts, end):
    task = make.task()
    services.claim(task.pk, hosts[0], make.claim_body())
    services.report(task.pk, hosts[0], make.report_body(step=Step.UPLOADING))
    if end == "released":
        event = make.report_body()["event_id"]
        services.release(task.pk, hosts[0], event_id=event, attempt=1)
    else:
        Task.objects.update(reclaim_at=AGO)
        sweeping.reclaim()
    Task.objects.update(not_before=AGO)

    assert is_refused(task, hosts[1])
    assert not is_refused(task, hosts[0])


def test_an_urgent_image_that_lies_elsewhere_keeps_nobody_from_work(hosts):
    """It is refused to this host, so it may not be what this host waits for."""
    first, other = hosts
    urgent, ordinary = failed(first, Step.UPLOADING), make.task()
    Task.objects.filter(pk=urgent.pk).update(priority=1)

    assert is_refused(urgent, other)
    assert not is_refused(ordinary, other)


def test_what_is_truly_urgent_comes_first_all_the_same(hosts):
    first, other = hosts
    elsewhere, urgent, ordinary = failed(first, Step.UPLOADING), make.task(priority=2), make.task()
    Task.objects.filter(pk=elsewhere.pk).update(priority=1)

    assert is_refused(ordinary, other)
    assert not is_refused(urgent, other)


def test_the_host_that_has_an_image_begins_nothing_else_before(hosts):
    """Another image would take its place; and that is hours of work, while this is minutes."""
    first, other = hosts
    task, urgent = failed(first, Step.UPLOADING), make.task(priority=1)
    Task.objects.filter(pk=task.pk).update(not_before=timezone.now() + timedelta(minutes=1))  # backing off

    assert is_refused(urgent, first)
    Task.objects.filter(pk=task.pk).update(not_before=AGO)
    assert is_refused(urgent, first)
    assert not is_refused(task, first)
    assert not is_refused(urgent, other)


def test_of_two_images_of_one_host_neither_waits_for_the_other(hosts):
    tasks = [failed(hosts[0], Step.UPLOADING)]
    Task.objects.filter(pk=tasks[0].pk).update(not_before=timezone.now() - timedelta(minutes=6))
    tasks.append(failed(hosts[0], Step.UPLOADING))

    assert not is_refused(tasks[0], hosts[0])


@pytest.mark.parametrize("minutes", [-6, 3])
def test_long_before_and_after_its_time_it_takes_other_work(hosts, minutes):
    task, ordinary = failed(hosts[0], Step.UPLOADING), make.task()
    Task.objects.filter(pk=task.pk).update(not_before=timezone.now() + timedelta(minutes=minutes))

    assert not is_refused(ordinary, hosts[0])


def test_the_bell_names_the_own_image_first_and_that_of_others_last(hosts):
    first, other = hosts
    image = failed(first, Step.UPLOADING)
    ordinary, urgent = make.task(), make.task(priority=1)

    def rung(host):
        body = {"kind": "create", "boot_id": "b", "version": "9", "protocol": PROTOCOL, "free_bytes": 5}
        return services.beat(host, {**body, "running": []})["ring"]

    assert rung(first) == [str(each.pk) for each in (image, urgent, ordinary)]
    assert rung(other) == [str(each.pk) for each in (urgent, ordinary, image)]
    Task.objects.filter(pk=image.pk).update(priority=0, not_before=timezone.now() - timedelta(minutes=6))
    assert rung(other) == rung(first) == [str(each.pk) for each in (image, urgent, ordinary)]


def test_a_retry_by_staff_begins_where_it_failed(hosts):
    task = make.task()
    for number in (1, 2, 3):
        failed(hosts[0], Step.UPLOADING, task)
        assert Task.objects.get().attempt == number
    assert Task.objects.get().status == TaskStatus.FAILED

    services.retry_task(task, by="staff")

    assert is_refused(task, hosts[1])
    assert not is_refused(task, hosts[0])
