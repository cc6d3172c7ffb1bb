"""Reports: progress, outcomes, and what old attempts may not do."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from imager.api import Problem
from imager.lifecycle import IllegalMove
from tasks_app import services
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Attempt, LogPiece, RefusedReport, Task, TaskEvent
from tasks_app.services import sweeping
from tests import factories as make
from warehouse import services as warehouse
from warehouse.models import StoredFile
from workers.contract import Answer, Kind, Step

pytestmark = pytest.mark.django_db


@pytest.fixture
def running():
    """A create task that a host is working on."""
    make.warehouse()
    task, host = make.task(), make.host()
    services.claim(task.pk, host, make.claim_body())
    task.refresh_from_db()
    return task, host


def say(task, host, attempt=1, **fields):
    answer = services.report(task.pk, host, make.report_body(attempt, **fields))
    task.refresh_from_db()
    return answer


def publish(task, attempt=1):
    services.publish(task_id=task.pk, attempt=attempt, files=make.file_facts())
    services.published(task_id=task.pk, attempt=attempt)


TROUBLE = {"fault": "host", "code": "disk_full", "message": "The disk is full: free 10 GB."}


def test_progress_is_kept_and_renews_the_lease(running):
    task, host = running
    before = task.lease_expires_at

    answer = say(
        task, host, step=Step.UPLOADING.value, progress={"done": 5, "total": 10, "rate": 2.5, "eta": 2.0}
    )

    assert answer is Answer.GO
    assert (task.step, task.progress_done, task.progress_total, task.progress_rate) == (
        "uploading",
        5,
        10,
        2.5,
    )
    assert task.lease_expires_at > before


def test_silence_in_bytes_does_not_count_as_movement(running):
    task, host = running
    say(task, host, progress={"done": 5, "total": 10, "rate": None, "eta": None})
    moved_at = task.progress_at

    say(task, host, progress={"done": 5, "total": 10, "rate": None, "eta": None})

    assert task.progress_at == moved_at


def test_done_is_taken_only_when_the_files_are_published(running):
    task, host = running

    with pytest.raises(Problem) as refusal:
        say(task, host, outcome="done", result={})
    assert (refusal.value.status_code, refusal.value.detail.code) == (422, "not_published")

    publish(task)
    assert say(task, host, outcome="done", result={"image_size": 1}) is Answer.GO
    assert task.status == TaskStatus.DONE
    assert task.result == {"image_size": 1}


def test_the_same_event_changes_nothing(running):
    task, host = running
    publish(task)
    event = str(uuid.uuid4())

    for _ in range(3):
        assert say(task, host, event_id=event, outcome="done", result={"image_size": 1}) is Answer.GO

    assert TaskEvent.objects.count() == 1
    assert [move.went_to for move in task.moves.all()] == ["queued", "running", "done"]


def test_an_old_attempt_changes_nothing_and_leaves_evidence(running):
    task, host = running
    services.release(task.pk, host, event_id=uuid.uuid4(), attempt=1)
    other = make.host()
    services.claim(task.pk, other, make.claim_body())
    before = Task.objects.values().get(pk=task.pk)

    for fields in (
        {},
        {"outcome": "done", "result": {}},
        {"outcome": "failed", "trouble": TROUBLE},
        {"log": {"offset": 0, "text": "zombie"}},
    ):
        assert say(task, host, **fields) is Answer.STALE

    assert Task.objects.values().get(pk=task.pk) == before
    assert RefusedReport.objects.count() == 4
    assert not LogPiece.objects.exists()


def test_another_host_cannot_report_for_the_attempt(running):
    task, _ = running

    assert say(task, make.host(), outcome="failed", trouble=TROUBLE) is Answer.STALE
    assert task.status == TaskStatus.RUNNING


def test_cancel_reaches_the_host_in_the_answer_to_its_next_report(running):
    task, host = running
    services.cancel_tasks(task.order, by="somebody")

    assert say(task, host) is Answer.CANCEL
    assert task.status == TaskStatus.RUNNING
    assert say(task, host, outcome="canceled") is Answer.GO
    assert task.status == TaskStatus.CANCELED


def test_done_after_a_cancel_ends_as_canceled(running):
    task, host = running
    publish(task)
    services.cancel_tasks(task.order, by="somebody")

    say(task, host, outcome="done", result={})

    assert task.status == TaskStatus.CANCELED


def test_a_host_fault_gives_another_attempt_later_until_the_budget_is_spent(running):
    task, host = running

    for attempt in (1, 2):
        say(task, host, attempt, outcome="failed", trouble=TROUBLE)
        assert task.status == TaskStatus.QUEUED
        assert task.not_before > timezone.now()
        assert task.host is None
        Task.objects.update(not_before=timezone.now())
        services.claim(task.pk, host, make.claim_body())
    say(task, host, 3, outcome="failed", trouble=TROUBLE)

    assert task.status == TaskStatus.FAILED
    assert task.trouble == TROUBLE


def test_a_job_fault_fails_at_once(running):
    task, host = running

    say(task, host, outcome="failed", trouble={**TROUBLE, "fault": "job"})

    assert task.status == TaskStatus.FAILED


def test_retry_gives_a_fresh_budget_but_counts_attempts_on(running):
    task, host = running
    say(task, host, outcome="failed", trouble={**TROUBLE, "fault": "job"})

    services.retry_task(task, by="staff")
    answer = services.claim(task.pk, host, make.claim_body())

    assert answer["attempt"] == 2
    task.refresh_from_db()
    assert task.lost_attempts == 0


def test_release_costs_nothing_and_is_idempotent(running):
    task, host = running
    event = uuid.uuid4()

    assert [services.release(task.pk, host, event_id=event, attempt=1) for _ in range(2)] == [
        Answer.GO,
        Answer.GO,
    ]

    task.refresh_from_db()
    assert (task.status, task.lost_attempts, task.attempt) == (TaskStatus.QUEUED, 0, 1)


@pytest.mark.parametrize("kind", [Kind.DOWNLOAD, Kind.WRITE])
def test_pinned_tasks_stay_with_their_host(kind):
    writer = make.host("writer")
    slot = make.slot(writer)
    task = make.task(
        kind=kind,
        host=writer,
        unit=1 if kind is Kind.WRITE else 0,
        status="waiting" if kind is Kind.WRITE else "queued",
    )
    if kind is Kind.WRITE:
        services.confirm(slot, diskseq=slot.diskseq, boot_id="boot", by="operator")
    services.claim(task.pk, writer, make.claim_body())

    say(task, writer, outcome="failed", trouble=TROUBLE)

    assert task.host == writer
    assert task.status == ("waiting" if kind is Kind.WRITE else "queued")


def test_publish_is_refused_to_an_attempt_that_is_over(running):
    task, host = running
    services.release(task.pk, host, event_id=uuid.uuid4(), attempt=1)
    services.claim(task.pk, host, make.claim_body())

    with pytest.raises(Problem) as refusal:
        services.publish(task_id=task.pk, attempt=1, files=make.file_facts())
    assert refusal.value.detail.code == "stale"

    publish(task, attempt=2)
    assert {file.attempt for file in warehouse.published_files(owner=task.order_id)} == {2}


def test_ended_attempts_are_told_to_the_warehouse(running):
    task, host = running
    cursor = services.ended("")["cursor"]
    services.release(task.pk, host, event_id=uuid.uuid4(), attempt=1)

    answer = services.ended(cursor)

    assert answer["ended"] == [{"task": str(task.pk), "attempt": 1}]
    with pytest.raises(Problem):
        services.ended("yesterday")


def test_a_publication_that_comes_after_the_end_of_its_attempt_is_refused(running):
    task, host = running
    services.publish(task_id=task.pk, attempt=1, files=make.file_facts())
    services.release(task.pk, host, event_id=uuid.uuid4(), attempt=1)

    with pytest.raises(Problem) as refusal:
        services.published(task_id=task.pk, attempt=1)

    assert (refusal.value.status_code, refusal.value.detail.code) == (409, "stale")
    assert warehouse.published_files(owner=task.order_id) == []


def test_a_publication_may_be_confirmed_again_long_after(running):
    task, host = running
    publish(task)
    say(task, host, outcome="done", result={"image_size": 1})

    services.published(task_id=task.pk, attempt=1)

    assert len(warehouse.published_files(owner=task.order_id)) == 4


@pytest.mark.parametrize("end", ["lost", "failed", "released"])
def test_an_image_published_by_an_attempt_that_was_not_done_makes_room_for_the_next(running, end):
    task, host = running
    publish(task)
    if end == "released":
        services.release(task.pk, host, event_id=uuid.uuid4(), attempt=1)
    elif end == "failed":
        say(task, host, outcome="failed", trouble=TROUBLE)
    else:
        Task.objects.update(reclaim_at=timezone.now() - timedelta(minutes=1))
        sweeping.reclaim()

    assert services.ended("")["removed"] == [str(task.order_id)]
    Task.objects.update(not_before=timezone.now() - timedelta(seconds=1))
    services.claim(task.pk, host, make.claim_body())
    publish(task, attempt=2)
    say(task, host, 2, outcome="done", result={"image_size": 1})

    assert task.status == TaskStatus.DONE
    assert {file.attempt for file in warehouse.published_files(owner=task.order_id)} == {2}
    assert services.ended("")["removed"] == []


@pytest.mark.parametrize("size", [None, 0, -1, "7", 1.5, True, 2**60])
def test_a_build_without_a_sensible_size_is_not_done(running, size):
    task, host = running
    publish(task)

    with pytest.raises(Problem) as refusal:
        say(task, host, outcome="done", result={} if size is None else {"image_size": size})

    assert (refusal.value.status_code, refusal.value.detail.code) == (422, "bad_result")
    task.refresh_from_db()
    assert task.status == TaskStatus.RUNNING


def test_a_new_step_is_movement_even_without_bytes(running):
    task, host = running
    say(task, host, step=Step.FETCHING.value)
    Task.objects.update(progress_at=timezone.now() - timedelta(hours=5))
    task.refresh_from_db()
    moved_at = task.progress_at

    say(task, host, step=Step.FETCHING.value)
    assert task.progress_at == moved_at
    say(task, host, step=Step.BUILDING.value)
    assert task.progress_at > moved_at


def test_an_event_id_that_was_used_for_another_task_is_refused_with_evidence(running):
    task, host = running
    other, event = make.task(), str(uuid.uuid4())
    services.claim(other.pk, host, make.claim_body())
    services.release(other.pk, host, event_id=event, attempt=1)

    assert say(task, host, event_id=event, outcome="failed", trouble=TROUBLE) is Answer.STALE
    assert services.release(task.pk, host, event_id=event, attempt=1) is Answer.STALE

    assert RefusedReport.objects.filter(reason="event_of_another_task").count() == 2
    task.refresh_from_db()
    assert task.status == TaskStatus.RUNNING


def test_only_a_failed_task_can_be_retried(running):
    task, _ = running

    with pytest.raises(IllegalMove):
        services.retry_task(task, by="staff")

    task.refresh_from_db()
    assert task.status == TaskStatus.RUNNING


def test_the_warehouse_hears_of_removed_images_however_long_it_was_away(running):
    task, host = running
    cursor = services.ended("")["cursor"]
    publish(task)
    services.cancel_tasks(task.order, by="x")
    say(task, host, outcome="canceled")
    long_ago = timezone.now() - timedelta(days=9)
    StoredFile.objects.update(removed_at=long_ago + timedelta(hours=1))
    Attempt.objects.update(ended_at=long_ago)

    for since in (long_ago.isoformat(), ""):
        answer = services.ended(since)
        assert answer["removed"] == [str(task.order_id)]
        assert answer["ended"] == []  # what arrived half is tidied up after 48 hours anyway
    assert services.ended(cursor)["removed"] == []


def test_a_cursor_from_the_future_hides_nothing(running):
    task, host = running
    services.release(task.pk, host, event_id=uuid.uuid4(), attempt=1)

    assert services.ended((timezone.now() + timedelta(days=1)).isoformat())["ended"]


@pytest.mark.parametrize(
    "since", ["yesterday", "2026-13-45T00:00:00Z", "0001-01-01T00:00:00Z", "2026-11-23T00:00:00", "\x00"]
)
def test_a_cursor_that_is_none_is_refused(db, since):
    with pytest.raises(Problem) as refusal:
        services.ended(since)

    assert (refusal.value.status_code, refusal.value.detail.code) == (400, "bad_cursor")
