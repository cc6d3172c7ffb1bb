"""Staff bring work to another host: old attempts are fenced, cards follow their image, rows tell who did."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from imager.api import Problem
from orders import services as orders
from orders.lifecycle import OrderStatus
from tasks_app import services
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Host, Outbox, RefusedReport, Slot, Task
from tasks_app.queries import why_waiting
from tests import factories as make
from workers.contract import Kind

S = TaskStatus


@pytest.fixture
def built(school, line):
    """An order for two cards whose download is queued at the writer."""
    order = school.place(quantity=2)
    line.build(order)
    return order


@pytest.fixture
def other(built):
    """Another writer host of the channel."""
    return make.host(Host.Kind.WRITER)


def download(order) -> Task:
    return order.tasks.filter(kind=Kind.DOWNLOAD).latest("unit")


def writes(order) -> list[Task]:
    return list(order.tasks.filter(kind=Kind.WRITE).order_by("unit"))


def refusal(function, *arguments, **named) -> str:
    with pytest.raises(Problem) as caught:
        function(*arguments, **named)
    assert str(caught.value.detail)
    return caught.value.get_codes()


def finish(task: Task, host: Host) -> None:
    services.claim(task.pk, host, make.claim_body())
    task.refresh_from_db()
    body = make.report_body(attempt=task.attempt, outcome="done", result={})
    assert services.report(task.pk, host, body) == "go"


def test_a_queued_download(built, other, line):
    moved = services.relocate(download(built), to=other, by="staff@example.org")
    task = download(built)
    assert (moved, task.host, task.status, task.rung_at) == (task, other, S.QUEUED, None)
    row = task.moves.last()
    assert (row.by, row.came_from, row.went_to) == ("staff@example.org", S.QUEUED, S.QUEUED)
    assert line.writer.name in row.note
    assert other.name in row.note
    with pytest.raises(Problem):
        services.claim(task.pk, line.writer, make.claim_body())
    finish(task, other)
    assert [write.host for write in writes(built)] == [other, other]


def test_a_running_download_is_fenced(built, other, line):
    task = line.claim(download(built))
    services.relocate(task, to=other, by="staff")
    old = make.report_body(attempt=1, outcome="done", result={})
    assert services.report(task.pk, line.writer, old) == "stale"
    assert RefusedReport.objects.filter(task=task, attempt=1).exists()
    assert task.attempts.get().outcome == "moved"
    task = download(built)
    finish(task, other)
    assert task.attempt == 2
    assert services.report(task.pk, line.writer, make.report_body(attempt=1)) == "stale"
    built.refresh_from_db()
    assert built.status == OrderStatus.WRITING


def test_a_failed_download_takes_the_order_with_it(built, other, line):
    task = line.claim(download(built))
    line.fail(task, "The disk died.")
    built.refresh_from_db()
    assert built.status == OrderStatus.FAILED
    services.relocate(task, to=other, by="staff")
    built.refresh_from_db()
    assert (built.status, built.failure) == (OrderStatus.DOWNLOADING, "")
    task = download(built)
    assert (task.status, task.host, task.lost_attempts) == (S.QUEUED, other, 0)


def test_what_is_done_stays_done_and_the_image_is_fetched_anew(built, other, line):
    line.download(built)
    first = download(built)
    second = services.relocate(first, to=other, by="staff")
    first.refresh_from_db()
    assert (first.status, first.host) == (S.DONE, line.writer)
    assert (second.unit, second.status, second.host) == (1, S.QUEUED, other)
    assert second.spec == first.spec
    assert second.total_bytes == first.total_bytes
    assert [write.host for write in writes(built)] == [None, None]
    assert first.moves.last().by == "staff"
    assert [write.moves.last().by for write in writes(built)] == ["staff", "staff"]
    assert "image_moving" in [reason.code for reason in why_waiting(built)]


def test_cards_come_to_the_image_when_it_is_there_and_are_written(built, other, line):
    line.download(built)
    second = services.relocate(download(built), to=other, by="staff")
    slot = make.slot(other)
    confirm = {"diskseq": slot.diskseq, "boot_id": slot.boot_id, "by": "operator"}
    assert refusal(services.confirm, slot, **confirm) == "nothing_waits"
    finish(second, other)
    assert [(write.host, write.status) for write in writes(built)] == [(other, S.WAITING)] * 2
    line.writer = other
    line.write(built, 1)
    line.write(built, 2)
    built.refresh_from_db()
    assert built.status == OrderStatus.READY_TO_SHIP


def test_a_card_that_is_being_written_stays(built, other, line):
    line.download(built)
    writing = line.insert(built, 1)
    services.relocate(download(built), to=other, by="staff")
    one, two = writes(built)
    assert (one.status, one.host, two.host) == (S.RUNNING, line.writer, None)
    line.report(writing, outcome="done", result={"slot": "A"})
    finish(download(built), other)
    assert [write.host for write in writes(built)] == [line.writer, other]


def test_a_card_in_the_hands_of_a_silent_host_is_written_anew_elsewhere(built, other, line):
    line.download(built)
    writing = line.insert(built, 1)
    Task.objects.filter(pk=writing.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    services.relocate(download(built), to=other, by="staff")
    one = writes(built)[0]
    assert (one.status, one.host, one.slot) == (S.WAITING, None, None)
    assert writing.cards.get().verdict == "abandoned"
    late = make.report_body(attempt=1, outcome="done", result={"slot": "A"})
    assert services.report(writing.pk, line.writer, late) == "stale"
    finish(download(built), other)
    line.writer = other
    line.write(built, 1)
    assert built.cards.filter(verdict="accepted").count() == 1


def test_confirmed_and_failed_cards_come_along(built, other, line):
    line.download(built)
    line.fail(line.insert(built, 1), "No.")
    slot = make.slot(line.writer, "Q")
    confirmed = services.confirm(slot, diskseq=slot.diskseq, boot_id=slot.boot_id, by="operator")
    services.relocate(download(built), to=other, by="staff")
    one, two = writes(built)
    assert (one.status, one.host) == (S.FAILED, None)
    assert (two.pk, two.status, two.host, two.slot) == (confirmed.pk, S.WAITING, None, None)
    finish(download(built), other)
    built.refresh_from_db()
    orders.retry(built, by=make.staff())
    assert [(write.status, write.host) for write in writes(built)] == [(S.WAITING, other)] * 2


def test_a_failed_second_download_is_retried_with_the_order(built, other, line):
    line.download(built)
    second = services.relocate(download(built), to=other, by="staff")
    services.claim(second.pk, other, make.claim_body())
    trouble = {"fault": "job", "code": "x", "message": "Gone."}
    services.report(second.pk, other, make.report_body(outcome="failed", trouble=trouble))
    built.refresh_from_db()
    assert (built.status, built.failed_stage) == (OrderStatus.FAILED, OrderStatus.WRITING)
    orders.retry(built, by=make.staff())
    built.refresh_from_db()
    assert built.status == OrderStatus.WRITING
    finish(download(built), other)
    assert {write.host for write in writes(built)} == {other}


def test_moved_twice(built, other, line):
    line.download(built)
    first = download(built)
    second = services.relocate(first, to=other, by="staff")
    assert refusal(services.relocate, first, to=other, by="staff") == "superseded"
    again = services.relocate(second, to=line.writer, by="staff")
    assert (again.pk, again.host) == (second.pk, line.writer)
    finish(again, line.writer)
    assert {write.host for write in writes(built)} == {line.writer}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"kind": Host.Kind.CREATOR}, "wrong_host"),
        ({"disabled": True}, "draining"),
        ({"draining": True}, "draining"),
    ],
)
def test_hosts_that_cannot_take_it(built, other, fields, code):
    Host.objects.filter(pk=other.pk).update(**fields)
    before = list(Task.objects.values())
    assert refusal(services.relocate, download(built), to=other, by="staff") == code
    assert list(Task.objects.values()) == before


def test_other_refusals(built, other, line, school):
    task = download(built)
    assert refusal(services.relocate, task, to=line.writer, by="staff") == "already_there"
    elsewhere = make.host(Host.Kind.WRITER, channel=make.channel("other"))
    assert refusal(services.relocate, task, to=elsewhere, by="staff") == "wrong_host"
    create = line.task(built, Kind.CREATE)
    assert refusal(services.relocate, create, to=other, by="staff") == "not_a_download"
    line.download(built)
    line.write(built, 1)
    line.write(built, 2)
    assert refusal(services.relocate, task, to=other, by="staff") == "nothing_to_move"


def test_a_canceled_order_moves_nowhere(built, other, line, school):
    task = line.claim(download(built))
    orders.cancel(built, by=school.member)
    assert refusal(services.relocate, task, to=other, by="staff") == "canceled"
    line.report(task, outcome="canceled")
    assert refusal(services.relocate, task, to=other, by="staff") == "canceled"


def test_a_confirmation_is_taken_back(built, line):
    line.download(built)
    slot = make.slot(line.writer)
    task = services.confirm(slot, diskseq=slot.diskseq, boot_id=slot.boot_id, by="operator")
    services.unconfirm(task, by="staff")
    task.refresh_from_db()
    assert (task.status, task.slot, task.confirmed_diskseq, task.host) == (S.WAITING, None, None, line.writer)
    assert (task.moves.last().by, task.moves.last().came_from) == ("staff", S.QUEUED)
    assert not Slot.objects.get(pk=slot.pk).used
    assert services.confirm(slot, diskseq=slot.diskseq, boot_id=slot.boot_id, by="operator") == task


def test_only_confirmed_cards_that_nobody_began_are_taken_back(built, line):
    assert refusal(services.unconfirm, download(built), by="staff") == "not_confirmed"
    line.download(built)
    assert refusal(services.unconfirm, writes(built)[0], by="staff") == "not_confirmed"
    running = line.insert(built, 1)
    assert refusal(services.unconfirm, running, by="staff") == "not_confirmed"
    running.refresh_from_db()
    assert running.status == S.RUNNING


def test_a_late_claim_loses_against_staff(built, line):
    line.download(built)
    slot = make.slot(line.writer)
    task = services.confirm(slot, diskseq=slot.diskseq, boot_id=slot.boot_id, by="operator")
    services.unconfirm(task, by="staff")
    with pytest.raises(Problem) as caught:
        services.claim(task.pk, line.writer, make.claim_body(claim_id=str(uuid.uuid4())))
    assert caught.value.get_codes() == "not_ready"


def mails(kind: str = "insert") -> list[dict]:
    return [entry.payload for entry in Outbox.objects.order_by("pk") if kind in entry.payload["subject"]]


def test_the_operator_of_the_new_station_is_asked_for_the_cards_that_are_left(built, other, line):
    Host.objects.filter(pk=other.pk).update(operator_email="new-operator@example.org")
    line.download(built)
    assert [mail["to"] for mail in mails()] == [["operator@example.org"]]
    line.write(built, 1)
    second = services.relocate(download(built), to=other, by="staff")
    assert len(mails()) == 1  # nothing can be written there yet
    finish(second, other)

    asked = mails()[1:]

    assert [mail["to"] for mail in asked] == [["new-operator@example.org"]]
    assert "insert 1 card " in asked[0]["subject"]
    assert f"/station/{other.name}/" in asked[0]["body"]


def test_a_download_that_was_moved_before_it_was_done_asks_once(built, other, line):
    Host.objects.filter(pk=other.pk).update(operator_email="new-operator@example.org")
    services.relocate(download(built), to=other, by="staff")
    finish(download(built), other)

    assert [mail["to"] for mail in mails()] == [["new-operator@example.org"]]
    assert "insert 2 cards" in mails()[0]["subject"]
