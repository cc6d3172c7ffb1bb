"""Several at once at the same ledger: nobody spends what another has spent, nothing ends twice."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError

from imager.accounts import ledger
from imager.lifecycle import IllegalMove, LostRace
from orders import services
from orders.models import Order
from tests.integration.orders.test_units import CARD, consistent, kinds, limit, limited, purse
from tests.together import together
from workers.contract import Kind as Work

__all__ = ["limited"]

pytestmark = pytest.mark.django_db(transaction=True)


def test_two_browsers_and_the_last_units(limited):
    results = together(*[limited.place] * 2)
    assert sorted(type(one).__name__ for one in results) == ["Order", "ValidationError"]
    assert purse(limited) == (0, CARD)
    consistent(limited.organization)


def test_eight_browsers_and_units_for_three(limited):
    ledger.grant(limited.organization, units=2 * CARD, by=limited.staff, note="Two more")
    results = together(*[limited.place] * 8)
    assert sum(isinstance(one, Order) for one in results) == 3
    assert sum(isinstance(one, ValidationError) for one in results) == 5
    assert purse(limited) == (0, 3 * CARD)


def test_the_same_form_twice_at_once_with_units_for_one(limited):
    first, second = together(*[lambda: limited.place(idempotency_key="k")] * 2)
    assert first == second


def test_cancel_and_success_at_once_end_the_reservation_once(limited, line):
    for _ in range(6):
        ledger.grant(limited.organization, units=CARD, by=limited.staff, note="One more")
        order = limited.place(kind="virtual")
        task = line.claim(line.task(order, Work.CREATE))
        line.publish(task)
        results = together(
            lambda order=order: services.cancel(order, by=limited.member),
            lambda task=task: line.report(task, outcome="done", result={"image_size": 1000}),
        )
        assert not [one for one in results if isinstance(one, DatabaseError)]
        assert kinds(order) in (["reserve", "refund"], ["reserve", "charge"])
    consistent(limited.organization)
    assert ledger.purse(limited.organization).reserved == 0


def test_two_retries_at_once_reserve_once(limited, line):
    order = limited.place()
    line.fail(line.claim(line.task(order, Work.CREATE)))
    results = together(*[lambda: services.retry(order, by=limited.member)] * 2)
    assert sum(isinstance(one, IllegalMove | LostRace) for one in results) == 1
    assert kinds(order) == ["reserve", "refund", "reserve"]


def test_grants_and_orders_at_once_add_up(limited):
    results = together(
        *[lambda: ledger.grant(limited.organization, units=CARD, by=limited.staff, note="One")] * 3,
        *[limited.place] * 3,
    )
    assert not [one for one in results if isinstance(one, DatabaseError)]
    placed = sum(isinstance(one, Order) for one in results)
    assert purse(limited) == (CARD * (4 - placed), CARD * placed)
    consistent(limited.organization)


def test_two_browsers_and_the_last_open_order(school):
    limit(school, max_open_orders=1)
    results = together(*[school.place] * 2)
    assert sorted(type(one).__name__ for one in results) == ["Order", "ValidationError"]
