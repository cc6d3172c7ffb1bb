"""Lots of cards in the admin: spelt right, entered, and never lost while cards are counted by them."""

from __future__ import annotations

import pytest

from tasks_app import services
from tasks_app.models import Card, Lot
from tests import factories as make

URL = "/admin/tasks_app/lot/"


@pytest.fixture
def lot(school, line) -> Lot:
    """Of which one card was written."""
    made = services.use_lot(line.writer, brand="Sunny", name="2026-11")
    order = school.place()
    line.build(order)
    line.download(order)
    line.write(order, 1)
    assert Card.objects.get().lot == made
    return made


def test_a_lot_that_was_misspelt_is_mended_with_its_cards(staff, lot):
    page = staff.get(URL)
    assert "Sunny" in page.text
    assert "2026-11" in page.text
    answer = staff.post(f"{URL}{lot.pk}/change/", {"brand": "Sanny", "name": "2026-11"})
    assert answer.status_code == 302
    assert str(Card.objects.get().lot) == "Sanny 2026-11"


def test_a_lot_is_entered_once_however_it_is_capitalized(staff, lot):
    assert staff.post(f"{URL}add/", {"brand": "Other", "name": ""}).status_code == 302
    answer = staff.post(f"{URL}add/", {"brand": "SUNNY", "name": "2026-11"})
    assert answer.status_code == 200
    assert answer.context["errors"]
    assert Lot.objects.count() == 2


def test_nobody_deletes_lots_and_operators_only_look(browse, staff, lot):
    assert staff.post(f"{URL}{lot.pk}/delete/", {"post": "yes"}).status_code == 403
    operator = browse(make.clerk("operator"))
    assert "Sunny" in operator.get(URL).text
    assert operator.post(f"{URL}{lot.pk}/change/", {"brand": "x"}).status_code == 403
    assert operator.get(f"{URL}add/").status_code == 403
    assert str(Lot.objects.get()) == "Sunny 2026-11"
