"""The storm tells a mail that a retry deserves from one that comes twice."""

from __future__ import annotations

import psycopg
import pytest
from django.db import connection
from psycopg.rows import dict_row

from tasks_app.models import Outbox
from tests import factories as make
from tests.acceptance.chaos.storm import told

pytestmark = pytest.mark.django_db(transaction=True)
PATH = ("placed", "creating", "downloading", "writing")


@pytest.fixture
def order():
    """In writing; its moves and their mails as the product makes them."""
    order = make.order(status="writing")
    for came_from, went_to in zip(("", *PATH), PATH, strict=False):
        move(order, came_from, went_to)
    return order


def move(order, came_from, went_to):
    made = order.moves.create(came_from=came_from, went_to=went_to, by="x")
    if went_to in ("placed", "writing", "failed"):
        mail(f"order-move-{made.pk}-a@example.org")
    return made


def mail(dedupe):
    payload = {"to": ["a@example.org"], "subject": "Order 1: insert 1 card (8 GB)"}
    Outbox.objects.create(kind="mail", dedupe=dedupe, payload=payload)


def wrong():
    facts = connection.get_connection_params()
    url = "host={host} port={port} user={user} password={password} dbname={dbname}".format(**facts)
    with psycopg.connect(url, row_factory=dict_row, autocommit=True) as database:
        return [each.split(" a@")[0].split(":")[0] for each in told.wrong(database)]


def test_one_mail_for_each_move_is_right(order):
    assert wrong() == []


def test_who_retries_has_the_operator_asked_again(order):
    move(order, "writing", "failed")
    move(order, "failed", "writing")
    assert wrong() == []


def test_a_stage_that_is_entered_twice_without_a_failure(order):
    move(order, "downloading", "writing")
    assert wrong() == ["again, and nothing had failed,"]


def test_a_move_that_is_told_twice(order):
    mail(f"order-move-{order.moves.last().pk}-b@example.org")
    assert wrong() == ["twice of one move"]


@pytest.mark.parametrize("dedupe", ["order-move-99999999-a@example.org", "download-1-1-a@example.org"])
def test_a_mail_of_no_move(order, dedupe):
    mail(dedupe)
    assert wrong() == ["of no move"]


def test_a_move_that_nobody_was_told_of(order):
    Outbox.objects.all().delete()
    assert wrong() == ["nobody was told of a move"] * 2
