"""The summary before an order: what it says, and that nothing else than that is ordered."""

from __future__ import annotations

import uuid

import pytest

from imager.accounts import ledger
from imager.accounts.models import Organization
from orders.models import Address, Media, Order
from orders.services import cancel
from tests import factories as make
from tests.integration.pages.conftest import Page
from tests.integration.pages.test_order_form import URL, confirmed, filled, shown

__all__ = ["filled"]
NOBODYS = "00000000-0000-4000-8000-000000000000"


def place(client, fields):
    return client.post(URL, {**fields, "step": "place"})


def limited(school, units: int) -> None:
    Organization.objects.filter(pk=school.organization.pk).update(limited=True)
    ledger.grant(school.organization, units=units, by=school.staff, note="for tests")


def test_the_summary_says_it_all_and_orders_nothing(member, filled, school):
    limited(school, 500)
    answer = member.post(URL, filled(recipient_phone="20 22 52 29"))
    words = Page(answer.text).words
    for told in ("Library", "2 cards", "160 units", "500", "340", "Wikipedia", "Awa Diop", "Rue 17", "Mali"):
        assert told in words, told
    assert "+223 20 22 52 29" in words
    assert not Order.objects.exists()


def test_an_unlimited_organization_reads_of_no_balance(member, filled):
    words = Page(member.post(URL, filled()).text).words
    assert "160 units" in words
    assert "Balance" not in words
    assert "only counted" in words


def test_one_step_back_keeps_what_was_chosen(member, filled):
    fields = shown(member.post(URL, filled(keep="on")))
    page = Page(member.post(URL, {**fields, "step": "change"}).text)
    assert page.by_id("id_recipient_name")["value"] == "Awa Diop"
    assert page.by_id("id_quantity")["value"] == "2"
    assert "checked" in page.by_id("id_keep")
    assert page.all("input", name="key")[0]["value"] == fields["key"]
    assert "is empty" not in page.words


def test_a_price_that_changed_in_between_is_told_and_nothing_ordered(member, filled, school):
    fields = shown(member.post(URL, filled()))
    Media.objects.filter(pk=school.card.pk).update(units_per_gigabyte=15)
    answer = place(member, fields)
    assert not Order.objects.exists()
    words = Page(answer.text).words
    assert "it is 240 units, and was 160" in words
    assert "Nothing was ordered" in words
    assert place(member, shown(answer)).status_code == 302
    assert Order.objects.get().units == 240


def test_a_configuration_that_changed_in_between_is_told(member, filled, school):
    fields = shown(member.post(URL, filled()))
    school.configuration.contents.remove(school.configuration.contents.first())
    answer = place(member, fields)
    assert not Order.objects.exists()
    assert "“Library” or its contents were changed meanwhile" in answer.text
    assert place(member, shown(answer)).status_code == 302
    assert len(Order.objects.get().contents) == 1


def test_an_address_that_changed_in_between_is_told(member, filled, school):
    address = make.address(school.organization)
    fields = shown(member.post(URL, filled(address=address.pk)))
    Address.objects.update(city="Gao")
    answer = place(member, fields)
    assert not Order.objects.exists()
    assert "The address was changed meanwhile" in answer.text
    place(member, shown(answer))
    assert Order.objects.get().recipient_city == "Gao"


def test_a_duplicate_is_warned_of_and_can_be_wanted(member, filled, school):
    before = school.place()
    answer = member.post(URL, filled())
    words = Page(answer.text).words
    assert f"{before} orders the same configuration" in words
    assert "Order it once more" in words
    assert place(member, shown(answer)).status_code == 302
    assert Order.objects.count() == 2


def test_two_browsers_at_once_order_it_once_without_a_second_yes(member, staff, filled):
    first, second = (shown(client.post(URL, filled())) for client in (member, staff))
    assert place(member, first).status_code == 302
    answer = place(staff, second)
    assert Order.objects.count() == 1
    assert "orders the same configuration" in answer.text
    assert place(staff, shown(answer)).status_code == 302


def test_what_is_canceled_or_old_or_else_is_no_duplicate(member, filled, school):
    cancel(school.place(), by=school.member)
    old = school.place()
    Order.objects.filter(pk=old.pk).update(created_at="2020-01-01T00:00Z")
    school.place(kind="virtual")
    assert "once more" not in member.post(URL, filled()).text


def test_a_yes_that_saw_nothing_is_shown_the_summary(member, filled):
    answer = place(member, filled())
    assert not Order.objects.exists()
    assert shown(answer)["seen_units"] == "160"


def test_a_new_recipient_is_kept_once(member, filled, school):
    for _ in range(2):
        confirmed(member, filled(keep="on", recipient_phone="20225229", key=str(uuid.uuid4())))
    address = Address.objects.get()
    assert (address.name, address.phone) == ("Awa Diop, Bamako", "+223 20 22 52 29")
    assert (address.organization, address.created_by) == (school.organization, school.member)


def test_nothing_is_kept_of_an_order_that_was_not_placed(member, filled, school):
    fields = shown(member.post(URL, filled(keep="on")))
    Media.objects.update(units_per_gigabyte=99)
    place(member, fields)
    assert not Address.objects.exists()


def test_an_address_of_the_book_is_copied(member, filled, school):
    address = make.address(school.organization)
    confirmed(member, filled(address=address.pk, recipient_name="x" * 200, recipient_email="nonsense"))
    order = Order.objects.get()
    assert (order.recipient_name, order.recipient_lines) == ("Awa Diop", ["Rue 17, porte 3", "BP 5 Bamako"])


def test_addresses_of_others_cannot_be_chosen(member, staff, filled):
    foreign = make.address()
    for client in (member, staff):
        answer = client.post(URL, filled(address=foreign.pk))
        assert answer.context["form"].errors.keys() == {"address"}


def test_a_download_takes_no_recipient_along(member, filled, school):
    confirmed(member, filled(kind="virtual", media=school.download.pk, quantity="1", keep="on"))
    assert Order.objects.get().recipient_name == ""
    assert not Address.objects.exists()


def test_the_limit_of_open_orders_is_said_before_one_fills_the_form(member, school, filled):
    Organization.objects.filter(pk=school.organization.pk).update(max_open_orders_per_member=1)
    assert "open orders" not in Page(member.get(URL).text).words
    school.place()
    assert "You may have 1 open orders" in Page(member.get(URL).text).words
    answer = member.post(URL, filled())
    assert "You may have 1 open orders" in Page(answer.text).words
    assert Order.objects.count() == 1


def test_the_same_again(member, school):
    address = make.address(school.organization)
    order = school.place(quantity=3)
    page = Page(member.get(URL, {"again": order.pk}).text)
    assert page.by_id("id_quantity")["value"] == "3"
    assert "selected" in page.all("option", value=str(school.configuration.pk))[0]
    assert page.by_id("id_recipient_name")["value"] == "Awa Diop"
    Order.objects.filter(pk=order.pk).update(
        recipient_address=address.street, recipient_city=address.city, recipient_postal_code="BP 5"
    )
    page = Page(member.get(URL, {"again": order.pk}).text)
    assert "selected" in page.all("option", value=str(address.pk))[-1]
    school.configuration.delete()
    assert "was deleted: choose another one" in member.get(URL, {"again": order.pk}).text


@pytest.mark.parametrize("key", ["x", "", "1", NOBODYS])
def test_junk_is_not_repeated(member, school, key):
    assert member.get(URL, {"again": key}).status_code == 200


def test_others_orders_are_not_repeated(browse, stranger, school):
    page = browse(stranger).get(URL, {"again": school.place().pk})
    assert "Awa Diop" not in page.text


def test_sizes_say_why_they_do_not_do(member, school):
    limited(school, 100)
    text = Page(member.get(URL, {"configuration": school.configuration.pk}).text).words
    assert "units are missing" in text
