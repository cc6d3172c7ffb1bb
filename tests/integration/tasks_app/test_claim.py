"""Claims: one winner, the same answer to the same claim, refusals that say why."""

from __future__ import annotations

import threading
import uuid

import pytest
from django.db import connection

from imager.api import Problem
from tasks_app import followers, services
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Attempt, Task
from tests import factories as make
from workers.contract import Kind


def claim(task: Task, host, **fields):
    return services.claim(task.pk, host, make.claim_body(**fields))


@pytest.mark.django_db
def test_a_claim_runs_the_task_and_raises_its_attempt():
    task, host = make.task(), make.host()

    answer = claim(task, host)

    task.refresh_from_db()
    assert (task.status, task.attempt, task.host) == (TaskStatus.RUNNING, 1, host)
    assert task.lease_expires_at < task.reclaim_at < task.deadline_at
    assert answer["attempt"] == 1
    assert answer["spec"]["name"] == task.spec["name"]
    assert answer["spec"]["recipe"] == task.order.recipe
    assert 36 * 3600 <= answer["deadline"] <= 37 * 3600
    assert [move.went_to for move in task.moves.all()] == ["queued", "running"]


@pytest.mark.django_db
def test_a_repeated_claim_gets_the_same_assignment():
    task, host, claim_id = make.task(), make.host(), str(uuid.uuid4())

    first, second = (claim(task, host, claim_id=claim_id) for _ in range(2))

    assert first["attempt"] == second["attempt"] == 1
    assert Attempt.objects.count() == 1


@pytest.mark.django_db
def test_a_claim_id_of_an_ended_attempt_is_stale():
    task, host, claim_id = make.task(), make.host(), str(uuid.uuid4())
    claim(task, host, claim_id=claim_id)
    services.release(task.pk, host, event_id=uuid.uuid4(), attempt=1)

    with pytest.raises(Problem) as refusal:
        claim(task, host, claim_id=claim_id)

    assert (refusal.value.status_code, refusal.value.detail.code) == (409, "stale")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        (lambda task, host: claim(task, make.host()), (409, "taken")),
        (lambda task, host: services.cancel_tasks(task.order, by="x"), (409, "canceled")),
        (lambda task, host: Task.objects.update(not_before="2999-01-01T00:00:00Z"), (409, "not_ready")),
        (lambda task, host: type(host).objects.filter(pk=host.pk).update(draining=True), (403, "draining")),
        (lambda task, host: type(host).objects.filter(pk=host.pk).update(disabled=True), (403, "draining")),
    ],
)
def test_refusals(prepare, expected):
    task, host = make.task(), make.host()
    prepare(task, host)
    host.refresh_from_db()

    with pytest.raises(Problem) as refusal:
        claim(task, host)

    assert (refusal.value.status_code, refusal.value.detail.code) == expected
    assert not Attempt.objects.filter(host=host).exists()


@pytest.mark.django_db
def test_hosts_of_another_kind_channel_or_name_get_nothing():
    elsewhere = make.host(channel=make.channel("other"))
    writer, neighbour = make.host("writer"), make.host("writer")
    create = make.task()
    download = make.task(create.order, Kind.DOWNLOAD, host=writer)

    for task, host in [(create, elsewhere), (create, writer), (download, neighbour), (download, make.host())]:
        with pytest.raises(Problem) as refusal:
            claim(task, host)
        assert refusal.value.detail.code == "not_yours"


@pytest.mark.django_db
def test_another_protocol_is_refused_before_anything_else():
    with pytest.raises(Problem) as refusal:
        claim(make.task(), make.host(), protocol=99)

    assert refusal.value.status_code == 426


@pytest.mark.django_db(transaction=True)
def test_many_hosts_claim_at_once_and_one_wins():
    make.channel()
    task = make.task()
    hosts = [make.host() for _ in range(8)]
    start, won = threading.Barrier(len(hosts)), []

    def try_it(host):
        start.wait()
        try:
            won.append(claim(task, host))
        except Problem as refusal:
            assert refusal.detail.code == "taken"
        finally:
            connection.close()

    threads = [threading.Thread(target=try_it, args=[host]) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(won) == 1
    assert Attempt.objects.count() == 1


@pytest.mark.django_db
def test_the_recipe_is_not_kept_in_the_task(monkeypatch):
    task = make.task()
    monkeypatch.setattr(followers, "_recipes", [lambda order_id: "secret: passphrase\n"])

    answer = claim(task, make.host())

    assert answer["spec"]["recipe"] == "secret: passphrase\n"
    assert "passphrase" not in str(Task.objects.values().get(pk=task.pk))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("needed", "has", "allowed"),
    [
        ("", "0.0.1", True),
        ("0.2", "0.1.9", False),
        ("0.2", "0.2", True),
        ("0.2", "0.2.1", True),
        ("0.10", "0.9", False),
        ("0.2", "", False),
        ("0.2", "banana", False),
        ("0.1.0", "1.0.0rc1", True),
        ("1.2.0", "1.2", True),
        ("1.2", "1.2.0rc1", True),
        ("1.2.1", "1.2", False),
    ],
)
def test_r22_an_older_worker_is_told_to_be_upgraded(settings, needed, has, allowed):
    settings.MIN_HOST_VERSION = needed
    task, host = make.task(), make.host()
    if allowed:
        assert claim(task, host, version=has)["attempt"] == 1
        return
    with pytest.raises(Problem) as refusal:
        claim(task, host, version=has)

    assert (refusal.value.status_code, refusal.value.detail.code) == (426, "version")
    assert f"needed is {needed} or newer. Upgrade the host" in str(refusal.value.detail)
    task.refresh_from_db()
    assert (task.status, task.attempt) == (TaskStatus.QUEUED, 0)


@pytest.mark.django_db
def test_a_claim_whose_answer_was_lost_is_answered_again_though_the_worker_is_too_old_by_now(settings):
    task, host = make.task(), make.host()
    body = make.claim_body(version="0.1.0")
    first = services.claim(task.pk, host, body)
    settings.MIN_HOST_VERSION = "0.2"

    again = services.claim(task.pk, host, body)

    assert (again["attempt"], again["claim_id"]) == (first["attempt"], first["claim_id"])


@pytest.mark.django_db
@pytest.mark.parametrize("waits", [True, False])
def test_bells_in_the_order_of_ringing_do_not_overtake_what_is_urgent(waits):
    """The oldest bell names an ordinary task; the urgent one was rung after it."""
    channel = make.channel()
    first, host = make.task(channel=channel), make.host(channel=channel)
    urgent = make.task(channel=channel if waits else make.channel("elsewhere"), priority=1)
    if waits:
        with pytest.raises(Problem) as refusal:
            claim(first, host)
        assert (refusal.value.status_code, refusal.value.detail.code) == (409, "not_ready")
        claim(urgent, host)
    assert claim(first, host)["attempt"] == 1
