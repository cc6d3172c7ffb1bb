"""Every pair of states of an order: legal moves leave a row, all others leave nothing."""

from __future__ import annotations

from itertools import product

import pytest
from django.db import IntegrityError, transaction
from django.utils import translation

from imager.lifecycle import IllegalMove, LostRace, move
from orders.lifecycle import FINAL, MOVES, STAGES, OrderStatus
from orders.models import Order
from tests import factories as make

# Independent of the table: moves that would hurt, whatever the table says.
WORST = [
    ("shipped", "canceled"),
    ("shipped", "writing"),
    ("shipped", "failed"),
    ("expired", "available"),
    ("canceled", "creating"),
    ("canceled", "ready_to_ship"),
    ("canceled", "placed"),
    ("placed", "shipped"),
    ("placed", "ready_to_ship"),
    ("creating", "writing"),
    ("creating", "shipped"),
    ("downloading", "ready_to_ship"),
    ("writing", "shipped"),
    ("writing", "creating"),
    ("ready_to_ship", "writing"),
    ("ready_to_ship", "failed"),
    ("available", "shipped"),
    ("available", "creating"),
    ("failed", "ready_to_ship"),
    ("failed", "shipped"),
    ("failed", "available"),
]


def order_in(status: str) -> Order:
    return make.order(status=status, failed_stage="creating" if status == "failed" else "")


def fields_for(went_to: str) -> dict[str, str]:
    return {"failed_stage": "creating"} if went_to == "failed" else {}


@pytest.mark.django_db
@pytest.mark.parametrize(("came_from", "went_to"), list(product(OrderStatus.values, repeat=2)))
def test_every_pair(came_from, went_to):
    order = order_in(came_from)
    legal = went_to in MOVES[came_from]

    if legal:
        move(order, went_to, table=MOVES, by="test", note="why", **fields_for(went_to))
    else:
        with pytest.raises(IllegalMove):
            move(order, went_to, table=MOVES, by="test")

    order.refresh_from_db()
    assert order.status == (went_to if legal else came_from)
    rows = [(row.came_from, row.went_to, row.by, row.note) for row in order.moves.all()]
    assert rows == ([(came_from, went_to, "test", "why")] if legal else [])


@pytest.mark.django_db
@pytest.mark.parametrize(("came_from", "went_to"), WORST)
def test_the_worst_moves_are_refused(came_from, went_to):
    order = order_in(came_from)

    with pytest.raises(IllegalMove):
        move(order, went_to, table=MOVES, by="test", **fields_for(went_to))

    assert order.moves.count() == 0


@pytest.mark.django_db
def test_who_read_an_old_status_loses():
    order = order_in("placed")
    stale = Order.objects.get(pk=order.pk)
    move(order, "creating", table=MOVES, by="first")

    with pytest.raises(LostRace):
        move(stale, "canceled", table=MOVES, by="second")

    order.refresh_from_db()
    assert (order.status, order.moves.count()) == ("creating", 1)


@pytest.mark.django_db
def test_refusals_speak_of_statuses_as_people_do():
    order = order_in("writing")
    stale = Order.objects.get(pk=order.pk)
    with pytest.raises(IllegalMove) as refused:
        move(order, "shipped", table=MOVES, by="test")
    assert str(refused.value) == f"{order} is “writing cards”: it cannot become “shipped”."
    move(order, "ready_to_ship", table=MOVES, by="first")
    with translation.override("fr"), pytest.raises(LostRace) as lost:
        move(stale, "canceled", table=MOVES, by="second")
    assert str(lost.value).startswith(f"L’état de {order} n’est plus « écriture des cartes »")


def test_final_states_have_no_moves_and_all_others_can_be_canceled():
    assert {status for status, moves in MOVES.items() if not moves} == FINAL
    assert all(OrderStatus.CANCELED in MOVES[status] for status in OrderStatus if status not in FINAL)
    assert {status for status, moves in MOVES.items() if OrderStatus.FAILED in moves} == set(STAGES)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "fields",
    [
        {"status": "lost"},
        {"status": "failed", "failed_stage": ""},
        {"status": "failed", "failed_stage": "shipped"},
        {"quantity": 0},
        {"quantity": 11},
        {"kind": "virtual", "quantity": 2},
    ],
)
def test_what_the_database_refuses(fields):
    with pytest.raises(IntegrityError), transaction.atomic():
        make.order(**fields)


@pytest.mark.django_db
def test_numbers_are_short_and_rise():
    first, second = make.order(), make.order()

    assert 1000 < first.number < second.number
    assert str(first) == f"#{first.number}"
