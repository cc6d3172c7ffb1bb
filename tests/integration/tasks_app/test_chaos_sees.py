"""The chaos suite must be able to fail: each thing that must not be is seen, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection
from django.utils import timezone

from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Attempt, Card, Outbox, Task
from tests import factories as make
from tests.acceptance.chaos import invariants
from workers.contract import Kind

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def line(tmp_path):
    """As much of a line as the invariants look at: this test's database, an empty disk."""
    facts = connection.get_connection_params()
    url = "host={host} port={port} user={user} password={password} dbname={dbname}".format(**facts)
    return SimpleNamespace(var=tmp_path, servers=SimpleNamespace(database_url=url))


@pytest.fixture
def written():
    """An order of one card, ready to ship, as it should be."""
    writer = make.host("writer")
    order = make.order(quantity=1, status="ready_to_ship")
    task = make.task(order, Kind.WRITE, unit=1, host=writer)
    Task.objects.filter(pk=task.pk).update(status=TaskStatus.DONE, attempt=1)
    Attempt.objects.create(
        task=task,
        attempt=1,
        host=writer,
        boot_id="b",
        claim_id=task.pk,
        outcome="done",
        ended_at=timezone.now(),
    )
    slot = make.slot(writer)
    card = Card.objects.create(
        serial="1", verdict="accepted", task=task, attempt=1, order=order, unit=1, host=writer, slot=slot,
        diskseq=1, boot_id="b", ended_at=timezone.now() + timedelta(seconds=5),
    )  # fmt: skip
    return SimpleNamespace(order=order, task=task, card=card, slot=slot, host=writer)


def seen(line, written, status="ready_to_ship"):
    return [text.split(":")[0] for text in invariants.violations(line, {str(written.order.pk): status})]


def test_nothing_is_seen_where_nothing_is(line, written):
    assert seen(line, written) == []


def test_an_order_in_the_wrong_state(line, written):
    assert seen(line, written, "available") == [
        f"order {written.order.pk} is ready_to_ship, deserved was available"
    ]


@pytest.mark.parametrize("status", ["waiting", "queued"])
def test_a_stuck_task(line, written, status):
    Task.objects.filter(pk=written.task.pk).update(status=status)
    assert seen(line, written) == ["a task is stuck"]


def test_a_missing_card(line, written):
    Card.objects.update(verdict="abandoned")
    assert seen(line, written) == [f"order {written.order.pk}"]


def test_a_card_left_open(line, written):
    Card.objects.update(verdict="writing")
    assert set(seen(line, written)) == {
        "a card is neither accepted nor given up",
        f"order {written.order.pk}",
    }


def test_two_attempts_that_wrote_in_one_slot_at_once(line, written):
    Card.objects.create(
        serial="2", verdict="abandoned", task=written.task, attempt=2, order=written.order, unit=1,
        host=written.host, slot=written.slot, diskseq=2, boot_id="b", ended_at=timezone.now(),
    )  # fmt: skip
    assert seen(line, written) == ["two attempts wrote in one slot at once"]


def test_an_attempt_without_end_a_second_done_one_and_a_done_task_without_any(line, written):
    more = {"task": written.task, "host": written.host, "boot_id": "b"}
    Attempt.objects.create(attempt=2, claim_id=written.order.pk, **more)
    assert seen(line, written) == ["an attempt never ended"]

    Attempt.objects.filter(attempt=2).update(ended_at=timezone.now())
    Attempt.objects.update(outcome="done")
    assert seen(line, written) == ["two attempts of a task are done"]

    Attempt.objects.update(outcome="lost")
    assert seen(line, written) == ["a task is done without a done attempt"]


def test_an_attempt_that_began_before_the_last_had_ended(line, written):
    Attempt.objects.create(
        task=written.task, attempt=2, claim_id=written.order.pk, host=written.host, boot_id="b",
        outcome="lost", ended_at=timezone.now(),
    )  # fmt: skip
    assert seen(line, written) == []

    Attempt.objects.filter(attempt=1).update(ended_at=timezone.now() + timedelta(seconds=1))
    assert seen(line, written) == ["an attempt began before the one before it had ended"]


def test_a_mail_that_was_not_sent(line, written):
    Outbox.objects.create(kind="mail", dedupe="x")
    assert seen(line, written) == ["a mail was not sent"]


@pytest.mark.parametrize(
    "path", ["hosts/creator-1/work/x", "warehouse/incoming/x", "hosts/writer-1/images/order/x.img.zst.part"]
)
def test_what_is_left_on_the_disk(line, written, path):
    (line.var / path).mkdir(parents=True)
    assert [text.split(": ")[1] for text in invariants.violations(line, {})] == [path]


def test_two_accepted_cards_of_a_unit_if_the_database_let_them(line, written):
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX card_accepted_once_per_unit")
        cursor.execute("DROP INDEX card_insertion_once")
    try:
        Card.objects.create(
            serial="2", verdict="accepted", task=written.task, attempt=2, order=written.order, unit=1,
            host=written.host, slot=written.slot, diskseq=1, boot_id="b", permitted_at=timezone.now(),
            ended_at=timezone.now() - timedelta(days=1),
        )  # fmt: skip
        assert seen(line, written)[:2] == [
            "a unit has two accepted cards",
            "an insertion has two accepted cards",
        ]
    finally:
        Card.objects.all().delete()
        with connection.schema_editor() as editor:
            for name in ("card_accepted_once_per_unit", "card_insertion_once"):
                editor.add_constraint(Card, next(c for c in Card._meta.constraints if c.name == name))
