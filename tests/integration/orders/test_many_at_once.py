"""R8, R13, R14, R20 with many at once: what is said twice, who comes last, and a cancel among them."""

from __future__ import annotations

import itertools
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from imager.api import Problem
from imager.lifecycle import IllegalMove
from orders import services
from orders.models import MAX_QUANTITY
from tasks_app import services as tasks
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Card, Outbox, Slot, Task, TaskEvent
from tests import factories as make
from tests.together import alone, together
from warehouse import services as warehouse
from workers.contract import PROTOCOL, Answer, Kind

pytestmark = pytest.mark.django_db(transaction=True)

DONE = {"outcome": "done", "result": {"slot": "A"}}
ROUNDS = 12


def status(order) -> str:
    order.refresh_from_db()
    return order.status


def history(order) -> list[str]:
    return [move.went_to for move in order.moves.all()]


def report(task, body):
    return tasks.report(task.pk, task.host, body)


# R13


def downloading(school, line, cards: int = 3):
    order = school.place(quantity=cards)
    line.build(order)
    return order, line.claim(line.task(order, Kind.DOWNLOAD))


def one_set_of_cards(order) -> None:
    writes = order.tasks.filter(kind=Kind.WRITE)
    assert sorted(writes.values_list("unit", "status")) == [(unit, "waiting") for unit in (1, 2, 3)]
    assert [list(task.moves.values_list("went_to", flat=True)) for task in writes] == [["waiting"]] * 3
    assert history(order).count("writing") == 1
    assert Outbox.objects.count() == 2, "one mail that it was placed, one that asks for cards"


def test_r13_one_report_eight_times_at_once_gives_one_set_of_cards(school, line):
    order, task = downloading(school, line)
    body = make.report_body(outcome="done", result={})

    assert together(*[lambda: report(task, body)] * 8) == [Answer.GO] * 8
    assert [report(task, body) for _ in range(3)] == [Answer.GO] * 3  # also long after

    one_set_of_cards(order)
    assert TaskEvent.objects.filter(task=task).count() == 1


def test_r13_eight_reports_of_one_end_give_one_set_of_cards(school, line):
    order, task = downloading(school, line)
    bodies = [make.report_body(outcome="done", result={}) for _ in range(8)]

    answers = together(*(lambda body=body: report(task, body) for body in bodies))

    assert Counter(answers) == {Answer.GO: 1, Answer.STALE: 7}
    one_set_of_cards(order)


def test_r13_a_card_that_began_before_the_repeat_goes_on(school, line):
    order, task = downloading(school, line)
    body = make.report_body(outcome="done", result={})
    report(task, body)
    begun = line.insert(order, 1)

    assert report(task, body) is Answer.GO

    begun.refresh_from_db()
    assert (begun.status, begun.attempt) == (TaskStatus.RUNNING, 1)
    assert order.tasks.filter(kind=Kind.WRITE).count() == 3


# R14


def test_r14_twenty_cards_of_two_orders_finish_at_the_same_moment(school, line):
    orders, cards = [], []
    for _ in range(2):
        order = school.place(quantity=MAX_QUANTITY)
        line.build(order)
        line.download(order)
        cards += [line.insert(order, unit) for unit in range(1, MAX_QUANTITY + 1)]
        orders.append(order)

    answers = together(*(lambda card=card: line.report(card, **DONE) for card in cards))

    assert answers == [Answer.GO] * 20
    for order in orders:
        assert status(order) == "ready_to_ship"
        assert history(order).count("ready_to_ship") == 1
        assert Card.objects.filter(order=order, verdict="accepted").count() == MAX_QUANTITY


def test_r14_the_last_card_comes_before_the_commit_of_the_one_before_it(school, line):
    order = school.place(quantity=2)
    line.build(order)
    line.download(order)
    cards = [line.insert(order, unit) for unit in (1, 2)]

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        line.report(cards[0], **DONE)
        last = pool.submit(alone, lambda: line.report(cards[1], **DONE))
        end = time.monotonic() + 30
        while not (last.done() or somebody_waits()):
            assert time.monotonic() < end

    assert last.result(30) is Answer.GO
    assert status(order) == "ready_to_ship"


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])


# R8


def canceled_for_good(order) -> None:
    assert status(order) == "canceled"
    assert history(order).count("canceled") == 1
    assert not order.tasks.exclude(status__in=[TaskStatus.DONE, TaskStatus.CANCELED]).exists()


def test_r08_cancel_and_claim_in_whatever_order(school, line):
    for _ in range(ROUNDS):
        order = school.place()
        task = line.task(order, Kind.CREATE)

        _, claimed = together(
            lambda order=order: services.cancel(order, by=school.member),
            lambda task=task: tasks.claim(task.pk, line.creator, make.claim_body()),
        )

        if isinstance(claimed, Problem):  # the cancel was first
            assert claimed.detail.code == "canceled"
        else:  # the host hears of it with its next word, and nobody after it gets the task
            assert tasks.report(task.pk, line.creator, make.report_body()) is Answer.CANCEL
            tasks.report(task.pk, line.creator, make.report_body(outcome="canceled"))
        canceled_for_good(order)


def test_r08_cancel_and_permit_in_whatever_order(school, line):
    order = school.place(quantity=MAX_QUANTITY)
    line.build(order)
    line.download(order)
    for unit in range(1, MAX_QUANTITY + 1):
        task = confirmed(line, f"S{unit}")
        body = {
            "event_id": str(uuid.uuid4()),
            "attempt": task.attempt,
            "slot": task.slot.name,
            "diskseq": task.confirmed_diskseq,
            "boot_id": task.confirmed_boot_id,
            "card_bytes": task.slot.card_bytes,
        }

        _, permitted = together(
            lambda: tasks.cancel_tasks(order, by="member"),
            lambda task=task, body=body: tasks.permit(task.pk, line.writer, body),
        )

        if isinstance(permitted, Problem):
            assert permitted.detail.code == "canceled"
            assert not Card.objects.filter(task=task).exists()
        else:
            assert Card.objects.get(task=task).serial == permitted
        assert line.report(task) is Answer.CANCEL
        line.report(task, outcome="canceled")
        task.refresh_from_db()
        assert task.status == TaskStatus.CANCELED
        assert not Card.objects.filter(task=task, verdict="writing").exists()
        # the next unit, as if nobody had canceled anything
        Task.objects.filter(order=order, unit__gt=unit).update(status=TaskStatus.WAITING)


def confirmed(line, slot_name: str) -> Task:
    slot = make.slot(line.writer, name=slot_name)
    return line.claim(tasks.confirm(slot, diskseq=slot.diskseq, boot_id=slot.boot_id, by="operator"))


def test_r08_cancel_and_the_last_card_in_whatever_order(school, line):
    for _ in range(ROUNDS):
        order = school.place()
        line.build(order)
        line.download(order)
        card = line.insert(order, 1)

        canceled, answer = together(
            lambda order=order: services.cancel(order, by=school.member),
            lambda card=card: line.report(card, **DONE),
        )

        assert answer is Answer.GO
        card.refresh_from_db()
        assert not isinstance(canceled, BaseException), canceled
        canceled_for_good(order)
        verdict = Card.objects.get(task=card).verdict
        ends = {("ready_to_ship" in history(order), card.status, verdict)}
        assert ends <= {(True, "done", "accepted"), (False, "canceled", "abandoned")}
        with pytest.raises(IllegalMove):
            services.cancel(order, by=school.member)


# R20


@pytest.fixture
def three(school, line):
    """An order whose three cards are being written."""
    order = school.place(quantity=3)
    line.build(order)
    line.download(order)
    return order, [line.insert(order, unit) for unit in (1, 2, 3)]


def kept(line, kind: str = "download") -> list[str]:
    body = {
        "kind": kind,
        "boot_id": "b",
        "version": "1",
        "protocol": PROTOCOL,
        "free_bytes": 1,
        "running": [],
    }
    return tasks.beat(line.writer, body)["keep"]  # type: ignore[arg-type]


def seen_meanwhile(line) -> list[str]:
    """What the host is told by a server that does not know yet what is not committed."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(alone, lambda: kept(line)).result(30)


@pytest.mark.parametrize("sequence", list(itertools.permutations((0, 1, 2))))
def test_r20_the_image_stays_until_the_last_card_is_committed(three, line, sequence):
    order, cards = three
    for index in sequence:
        with transaction.atomic():
            line.report(cards[index], **DONE)
            assert seen_meanwhile(line) == [str(order.pk)]
        assert kept(line) == ([] if index == sequence[-1] else [str(order.pk)])
    assert warehouse.published_files(owner=order.pk), "in the warehouse it stays until the cards are sent"


def test_r20_three_cards_end_at_once_while_the_host_asks(three, line):
    """An answer without the order may come only when no card is open any more."""
    order, cards = three

    def ask() -> list[tuple[int, list[str]]]:
        return [(open_cards(order), kept(line)) for _ in range(12)]

    def open_cards(order) -> int:
        return order.tasks.exclude(status=TaskStatus.DONE).count()

    *answers, first, second = together(
        *(lambda card=card: line.report(card, **DONE) for card in cards), ask, ask
    )

    assert answers == [Answer.GO] * 3
    for before, keep in [*first, *second]:
        assert keep in ([], [str(order.pk)])
        assert keep == [] or before > 0
    assert kept(line) == []
    assert status(order) == "ready_to_ship"


def test_r20_a_card_that_must_be_written_again_keeps_the_image(three, line):
    order, cards = three
    trouble = {"fault": "card", "code": "bad_blocks", "message": "Throw the card away."}

    together(
        lambda: line.report(cards[0], **DONE),
        lambda: line.report(cards[1], outcome="failed", trouble=trouble),
        lambda: line.report(cards[2], **DONE),
    )

    assert kept(line) == [str(order.pk)]
    assert status(order) == "writing"
    assert Slot.objects.get(pk=cards[1].slot_id).used
    line.write(order, 2)
    assert kept(line) == []
