"""From the order to ready to ship: which task follows which, late and doubled events included."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from imager.accounts.models import Organization
from imager.api import Problem
from imager.lifecycle import IllegalMove
from orders import flow, services
from orders.lifecycle import OrderStatus
from orders.models import Order
from tasks_app import services as tasks
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Host, Stumble, Task
from tasks_app.services import attempts, sweeping
from tests import factories as make
from tests.integration.orders.conftest import RECIPIENT
from warehouse import services as warehouse
from workers.contract import Kind

IMAGE_SIZE = 1_000_000


def status(order: Order) -> str:
    order.refresh_from_db()
    return order.status


def history(order: Order) -> list[str]:
    return [move.went_to for move in order.moves.all()]


def kinds(order: Order) -> list[tuple[str, int, str]]:
    return sorted((task.kind, task.unit, task.status) for task in order.tasks.all())


def test_two_cards_from_placed_to_shipped(school, line):
    order = school.place(quantity=2)
    assert (status(order), kinds(order)) == ("placed", [("create", 0, "queued")])

    line.claim(line.task(order, Kind.CREATE))
    assert status(order) == "creating"

    create = line.task(order, Kind.CREATE)
    line.publish(create)
    line.report(create, outcome="done", result={"image_size": IMAGE_SIZE})
    assert (status(order), order.image_bytes) == ("downloading", IMAGE_SIZE)
    assert kinds(order) == [("create", 0, "done"), ("download", 0, "queued")]

    line.download(order)
    assert status(order) == "writing"
    assert kinds(order)[2:] == [("write", 1, "waiting"), ("write", 2, "waiting")]

    line.write(order, 1)
    assert status(order) == "writing"
    line.write(order, 2)
    assert status(order) == "ready_to_ship"

    services.ship(order, by=school.staff, tracking=" DHL 1234 ")
    assert (status(order), order.tracking) == ("shipped", "DHL 1234")
    assert order.shipped_at is not None
    assert history(order) == [
        "placed",
        "creating",
        "downloading",
        "writing",
        "ready_to_ship",
        "shipped",
    ]
    assert order.moves.first().by == "amina@example.org"


def test_what_hosts_are_told(school, line):
    order = school.place(quantity=2)
    line.build(order)

    download = line.task(order, Kind.DOWNLOAD)
    assert download.host == line.writer
    assert download.spec == {
        "name": order.image_name,
        "files": [
            {"name": order.image_name + suffix, "size": 10, "sha256": "cd" * 32}
            for suffix in (".img.bmap", ".img.zst", ".manifest.json", ".manifest.json.sig")
        ],
        "signing_key": line.creator.signing_key,
        "image_size": IMAGE_SIZE,
    }
    assert download.total_bytes == 40

    line.download(order)
    for unit in (1, 2):
        write = line.task(order, Kind.WRITE, unit)
        assert (write.spec, write.host, write.total_bytes) == (download.spec, line.writer, IMAGE_SIZE)


def test_the_medias_least_speeds_are_asked_of_each_card(school, line):
    order = school.place(quantity=2)
    type(order.media).objects.filter(pk=order.media_id).update(min_write_speed=10, min_read_speed=0)
    line.build(order)
    line.download(order)
    for unit in (1, 2):
        spec = line.task(order, Kind.WRITE, unit).spec
        assert (spec["min_write_rate"], "min_read_rate" in spec) == (10e6, False)


def test_the_recipe_reaches_the_creator_and_nobody_else(school, line):
    order = school.place()

    answer = tasks.claim(line.task(order, Kind.CREATE).pk, line.creator, make.claim_body())

    assert "wifi-canary-1" in answer["spec"]["recipe"]
    assert answer["spec"]["recipe"] == order.recipe
    assert "canary" not in str(list(Task.objects.values()))


def test_an_organization_may_have_its_links_work_longer(school, line):
    Organization.objects.filter(pk=school.organization.pk).update(download_days=60)
    order, before = school.place(kind="virtual"), timezone.now()
    line.build(order)
    order.refresh_from_db()
    assert timedelta(days=60) <= order.expires_at - before < timedelta(days=61)


def test_a_download_order_ends_with_a_link_that_expires(school, line, settings):
    order = school.place(kind="virtual")

    before = timezone.now()
    line.build(order)

    assert status(order) == "available"
    assert order.expires_at - before >= timedelta(days=settings.DOWNLOAD_DAYS)
    assert kinds(order) == [("create", 0, "done")]

    assert services.expire_due() == 0
    Order.objects.update(expires_at=timezone.now())
    assert services.expire_due() == 1
    assert status(order) == "expired"
    assert warehouse.published_files(owner=order.pk) == []
    assert services.expire_due() == 0


def test_a_download_that_cannot_end_does_not_hold_up_the_next(school, line, monkeypatch):
    broken, fine = school.place(kind="virtual"), school.place(kind="virtual")
    line.build(broken)
    line.build(fine)
    Order.objects.update(expires_at=timezone.now())
    expire = services.expire

    def fail_for_one(order, **words):
        return {fine.pk: expire}[order.pk](order, **words)

    monkeypatch.setattr(services, "expire", fail_for_one)

    assert services.expire_due() == 1
    assert (status(broken), status(fine)) == ("available", "expired")
    assert Stumble.objects.get().subject == str(broken.pk)


def test_a_download_is_not_done_without_its_torrent(school, line):
    order = school.place(kind="virtual")
    task = line.claim(line.task(order, Kind.CREATE))
    assert task.spec["torrent"] is True
    Task.objects.filter(pk=task.pk).update(spec={**task.spec, "torrent": False})
    task.refresh_from_db()
    line.publish(task)  # the four files of an image alone
    Task.objects.filter(pk=task.pk).update(spec={**task.spec, "torrent": True})

    with pytest.raises(Problem, match=r"img\.zst\.torrent"):
        line.report(task, outcome="done", result={"image_size": IMAGE_SIZE})


def test_without_a_writer_host_the_download_waits_for_one(school, line):
    Host.objects.filter(pk=line.writer.pk).update(disabled=True)
    order = school.place()

    line.build(order)

    assert status(order) == "downloading"
    assert line.task(order, Kind.DOWNLOAD).host is None
    Host.objects.filter(pk=line.writer.pk).update(disabled=False)
    tasks.find_hosts()
    line.download(order)
    assert line.task(order, Kind.WRITE, 1).host == line.writer


def test_only_writer_hosts_of_the_channel_are_asked(school, line):
    Host.objects.filter(pk=line.writer.pk).update(channel=make.channel("elsewhere"))
    order = school.place()

    line.build(order)

    assert line.task(order, Kind.DOWNLOAD).host is None


@pytest.mark.parametrize(("stage", "units"), [("creating", 0), ("downloading", 0), ("writing", 2)])
def test_a_failure_keeps_its_stage_and_retry_redoes_nothing_else(school, line, stage, units):
    order = school.place(quantity=2)
    if stage == "creating":
        failing = line.claim(line.task(order, Kind.CREATE))
    else:
        line.build(order)
    if stage == "downloading":
        failing = line.claim(line.task(order, Kind.DOWNLOAD))
    if stage == "writing":
        line.download(order)
        line.write(order, 1)
        failing = line.insert(order, 2)
    line.fail(failing, "The disk is full.")

    assert status(order) == "failed"
    assert (order.failed_stage, order.failure) == (stage, "The disk is full.")
    done = set(order.tasks.filter(status=TaskStatus.DONE).values_list("pk", flat=True))
    attempts = dict(order.tasks.values_list("pk", "attempt"))

    services.retry(order, by=school.member)

    assert status(order) == stage
    assert (order.failed_stage, order.failure) == ("", "")
    failing.refresh_from_db()
    assert failing.status == (TaskStatus.WAITING if units else TaskStatus.QUEUED)
    assert set(order.tasks.filter(status=TaskStatus.DONE).values_list("pk", flat=True)) == done
    assert dict(order.tasks.values_list("pk", "attempt")) == attempts

    if stage == "creating":
        line.build(order)
    if stage != "writing":
        line.download(order)
        line.write(order, 1)
    line.write(order, 2)
    assert status(order) == "ready_to_ship"
    assert order.tasks.count() == 4


def test_a_bad_card_never_fails_the_order(school, line):
    order = school.place()
    line.build(order)
    line.download(order)
    task = line.insert(order, 1)

    trouble = {"fault": "card", "code": "bad_blocks", "message": "Bad blocks."}
    line.report(task, outcome="failed", trouble=trouble)

    assert status(order) == "writing"
    line.write(order, 1)
    assert status(order) == "ready_to_ship"


def test_a_sibling_that_finishes_while_the_order_is_failed_counts_after_the_retry(school, line):
    order = school.place(quantity=2)
    line.build(order)
    line.download(order)
    first, second = line.insert(order, 1), line.insert(order, 2)

    line.fail(first)
    line.report(second, outcome="done", result={"slot": "B"})
    assert status(order) == "failed"

    services.retry(order, by=school.staff)
    assert status(order) == "writing"
    line.write(order, 1)
    assert status(order) == "ready_to_ship"


def test_two_failures_need_two_retries_before_the_order_goes_on(school, line):
    order = school.place(quantity=2)
    line.build(order)
    line.download(order)
    first, second = line.insert(order, 1), line.insert(order, 2)
    line.fail(first, "one")
    line.fail(second, "two")
    assert (status(order), order.failure) == ("failed", "one")

    tasks.retry_task(first, by="staff")
    assert status(order) == "failed"
    tasks.retry_task(second, by="staff")
    assert status(order) == "writing"


def test_retry_of_an_order_whose_tasks_are_all_done_goes_on(school, line):
    order = school.place()
    line.build(order)
    line.download(order)
    line.write(order, 1)
    Order.objects.update(status="failed", failed_stage="writing", failure="x")

    services.retry(order, by=school.staff)

    assert status(order) == "ready_to_ship"


@pytest.mark.parametrize("went_to", [s for s in OrderStatus.values if s != "failed"])
def test_only_failed_orders_can_be_retried(school, went_to):
    order = school.place()
    Order.objects.update(status=went_to)

    with pytest.raises(IllegalMove):
        services.retry(order, by=school.staff)

    assert status(order) == went_to


def test_cancel_stops_what_runs_and_cancels_what_waits(school, line):
    order = school.place(quantity=2)
    line.build(order)
    line.download(order)
    running = line.insert(order, 1)

    services.cancel(order, by=school.member)

    assert status(order) == "canceled"
    assert kinds(order)[2:] == [("write", 1, "running"), ("write", 2, "canceled")]
    assert line.report(running) == "cancel"
    assert warehouse.published_files(owner=order.pk) == []


def test_done_after_cancel_changes_nothing(school, line):
    order = school.place()
    task = line.claim(line.task(order, Kind.CREATE))
    line.publish(task)
    services.cancel(order, by=school.member)

    line.report(task, outcome="done", result={"image_size": IMAGE_SIZE})

    assert status(order) == "canceled"
    assert kinds(order) == [("create", 0, "canceled")]
    assert warehouse.published_files(owner=order.pk) == []


def test_an_image_published_while_the_order_was_canceled_is_removed(school, line):
    order = school.place()
    task = line.claim(line.task(order, Kind.CREATE))
    tasks.publish(
        task_id=task.pk,
        attempt=task.attempt,
        files=[
            {"name": f"x{suffix}", "size": 1, "sha256": "00" * 32}
            for suffix in (".img.zst", ".img.bmap", ".manifest.json", ".manifest.json.sig")
        ],
    )
    services.cancel(order, by=school.member)

    line.report(task, outcome="canceled")

    assert warehouse.removed_since(timezone.now() - timedelta(hours=1)) == [order.pk]


def test_a_repeated_event_creates_nothing_twice(school, line):
    order = school.place(quantity=2)
    line.build(order)
    line.download(order)
    before = kinds(order), history(order)

    for task in order.tasks.all():
        with transaction.atomic():
            flow.task_moved(task, "running", task.status, by="again")

    assert (kinds(order), history(order)) == before


def test_a_final_order_ignores_failures(school, line):
    order = school.place()
    line.claim(line.task(order, Kind.CREATE))
    task = line.task(order, Kind.CREATE)
    services.cancel(order, by=school.member)

    with transaction.atomic():
        flow.task_moved(task, "running", TaskStatus.FAILED, by="late")

    assert status(order) == "canceled"


@pytest.mark.parametrize("tracking", ["", "   ", "x" * 201])
def test_shipping_needs_a_tracking_text(school, tracking):
    order = school.place()
    Order.objects.update(status="ready_to_ship")

    with pytest.raises(Exception, match=r"traced|At most 200") as refusal:
        services.ship(order, by=school.staff, tracking=tracking)

    assert list(refusal.value.error_dict) == ["tracking"]
    assert status(order) == "ready_to_ship"


@pytest.mark.parametrize("went_from", [s for s in OrderStatus.values if s not in {"ready_to_ship", "failed"}])
def test_only_finished_cards_can_be_shipped(school, went_from):
    order = school.place()
    Order.objects.update(status=went_from)

    with pytest.raises(IllegalMove):
        services.ship(order, by=school.staff, tracking="x")

    order.refresh_from_db()
    assert (order.status, order.tracking, order.moves.count()) == (went_from, "", 1)


def test_an_image_is_checked_with_the_key_that_its_builder_had(school, line):
    """The builder gets a new key between its claim and the end of the build."""
    order = school.place()
    task = line.claim(line.task(order, Kind.CREATE))
    key = line.creator.signing_key
    Host.objects.filter(pk=line.creator.pk).update(signing_key="ef" * 32)
    line.publish(task)

    line.report(task, outcome="done", result={"image_size": IMAGE_SIZE})

    assert line.task(order, Kind.DOWNLOAD).spec["signing_key"] == key


def test_an_order_survives_a_builder_that_published_and_was_never_heard_of_again(school, line):
    order = school.place()
    task = line.claim(line.task(order, Kind.CREATE))
    line.publish(task)
    Task.objects.update(reclaim_at=timezone.now() - timedelta(minutes=1))
    sweeping.reclaim()
    Task.objects.update(not_before=timezone.now() - timedelta(seconds=1))

    line.build(order)

    assert status(order) == "downloading"
    assert {file.attempt for file in warehouse.published_files(owner=order.pk)} == {2}


def test_hosts_are_told_nothing_that_they_do_not_need(school, line):
    """No people, no addresses; the hotspot's passwords only to those who build it."""
    order = school.place()
    told = {}
    for kind in Kind:
        task = line.insert(order, 1) if kind is Kind.WRITE else line.claim(line.task(order, kind))
        told[kind] = json.dumps(attempts.assignments(task.host), ensure_ascii=False)
        assert str(task.pk) in told[kind]
        if kind is Kind.CREATE:
            line.publish(task)
        line.report(task, outcome="done", result={"image_size": IMAGE_SIZE})

    people = (*asdict(RECIPIENT).values(), school.member.email, school.organization.name)
    for kind, text in told.items():
        assert [word for word in people if word and len(word) > 2 and word in text] == [], kind
    assert [kind for kind, text in told.items() if "canary" in text] == [Kind.CREATE]
