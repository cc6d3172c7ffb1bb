"""Placing over HTTP: the address book, the expected price, duplicates; ending a download."""

from __future__ import annotations

from orders.models import Media, Order
from tests import factories as make
from tests.integration.orders.test_api_orders import URL, body


def in_book(school, address, **fields) -> dict:
    told = {name: value for name, value in body(school).items() if not name.startswith("recipient_")}
    return {**told, "address": address.pk, **fields}


def test_an_address_of_the_book_is_copied(school, api):
    address = make.address(school.organization)
    answer = api(school.member).post(URL, in_book(school, address))
    assert answer.status_code == 201, answer.data
    address.delete()
    order = Order.objects.get()
    assert (order.recipient_name, order.recipient_lines) == ("Awa Diop", ["Rue 17, porte 3", "BP 5 Bamako"])


def test_addresses_of_others_and_two_recipients_are_refused(school, api):
    foreign, own = make.address(), make.address(school.organization)
    for user in (school.member, school.staff):
        answer = api(user).post(URL, in_book(school, foreign))
        assert (answer.status_code, list(answer.data["errors"])) == (400, ["address"])
    answer = api(school.member).post(URL, in_book(school, own, recipient_name="Chen"))
    assert list(answer.data["errors"]) == ["address"]
    assert not Order.objects.exists()


def test_a_price_that_is_not_the_expected_one(school, api):
    Media.objects.filter(pk=school.card.pk).update(units_per_gigabyte=15)
    answer = api(school.member).post(URL, body(school, expected_units=160))
    assert (answer.status_code, answer.data["code"], answer.data["units"]) == (409, "price_changed", 240)
    assert not Order.objects.exists()
    assert api(school.member).post(URL, body(school, expected_units=240)).status_code == 201


def test_a_duplicate_needs_a_yes(school, api):
    first = api(school.member).post(URL, body(school))
    answer = api(school.member).post(URL, body(school, quantity=1))
    assert (answer.status_code, answer.data["code"]) == (409, "duplicate_order")
    assert answer.data["duplicate_of"] == first.data["id"]
    assert api(school.member).post(URL, body(school, confirm_duplicate=True)).status_code == 201
    assert Order.objects.count() == 2


def test_a_download_can_be_ended(school, api, line):
    order = school.place(kind="virtual")
    url = f"{URL}{order.pk}/expire/"
    assert api(school.member).post(url).status_code == 409
    line.build(order)
    answer = api(school.member).post(url)
    assert (answer.status_code, answer.data["status"], answer.data["download_url"]) == (200, "expired", None)
    assert order.moves.last().by == school.member.email
