"""Two things at the same moment: the last two cards, a cancel and a success, two schedulers."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.utils import timezone

from orders import services
from orders.models import Order
from warehouse import services as warehouse
from workers.contract import Kind

IMAGE_SIZE = 1_000_000


def status(order: Order) -> str:
    order.refresh_from_db()
    return order.status


def history(order: Order) -> list[str]:
    return [move.went_to for move in order.moves.all()]


def together(*actions) -> list[BaseException | None]:
    """Run actions at the same moment, each with a connection of its own; what each raised."""
    start = threading.Barrier(len(actions))

    def run(action):
        start.wait(10)
        try:
            action()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(actions)) as pool:
        return [future.exception(30) for future in [pool.submit(run, action) for action in actions]]


@pytest.mark.django_db(transaction=True)
def test_the_last_two_cards_finish_at_the_same_moment(school, line):
    for _ in range(5):
        order = school.place(quantity=2)
        line.build(order)
        line.download(order)
        cards = [line.insert(order, unit) for unit in (1, 2)]

        errors = together(
            *(lambda card=card: line.report(card, outcome="done", result={"slot": "A"}) for card in cards)
        )

        assert errors == [None, None]
        assert status(order) == "ready_to_ship"
        assert history(order).count("ready_to_ship") == 1


@pytest.mark.django_db(transaction=True)
def test_cancel_and_done_at_the_same_moment_agree(school, line):
    for _ in range(5):
        order = school.place()
        task = line.claim(line.task(order, Kind.CREATE))
        line.publish(task)

        errors = together(
            lambda order=order: services.cancel(order, by=school.member),
            lambda task=task: line.report(task, outcome="done", result={"image_size": IMAGE_SIZE}),
        )

        assert errors == [None, None]
        assert status(order) == "canceled"
        open_tasks = order.tasks.exclude(status__in=["done", "canceled"])
        assert list(open_tasks) == []
        assert warehouse.published_files(owner=order.pk) == []


@pytest.mark.django_db(transaction=True)
def test_two_schedulers_expire_an_order_once(school, line):
    orders = [school.place(kind="virtual") for _ in range(4)]
    for order in orders:
        line.build(order)
    Order.objects.update(expires_at=timezone.now())

    assert together(services.expire_due, services.expire_due) == [None, None]

    for order in orders:
        assert history(order).count("expired") <= 1
    services.expire_due()
    assert {status(order) for order in orders} == {"expired"}
