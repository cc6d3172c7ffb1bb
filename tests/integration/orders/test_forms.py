"""The forms of the pages."""

from __future__ import annotations

import uuid

import pytest

from imager.lifecycle import IllegalMove
from orders.configuration_form import ConfigurationForm
from orders.forms import ShipForm
from orders.models import Configuration, Content, Order
from orders.order_form import OrderForm
from tests import factories as make


def order_data(school, **fields) -> dict:
    return {
        "configuration": school.configuration.pk,
        "kind": "physical",
        "media": school.card.pk,
        "quantity": "2",
        "recipient_name": "Awa",
        "recipient_address": "Rue 17",
        "recipient_city": "Bamako",
        "recipient_country": "ML",
        "key": str(uuid.uuid4()),
        **fields,
    }


def test_an_order_form_places_an_order(school):
    form = OrderForm(order_data(school), by=school.member)
    assert form.is_valid(), form.errors

    order = form.place()

    assert order == Order.objects.get()
    assert (order.quantity, order.recipient_country) == (2, "ML")


def test_a_form_that_is_sent_twice_is_one_order(school):
    data = order_data(school)
    placed = []
    for _ in range(2):
        form = OrderForm(data, by=school.member)
        assert form.is_valid()
        placed.append(form.place())

    assert placed[0] == placed[1]
    form = OrderForm({**data, "quantity": "3"}, by=school.member)
    assert form.is_valid()
    assert form.place() is None
    assert "already sent" in form.non_field_errors()[0]
    assert Order.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"quantity": "0"}, "quantity"),
        ({"quantity": "11"}, "quantity"),
        ({"kind": "virtual"}, "media"),
        ({"recipient_address": ""}, "recipient_address"),
        ({"recipient_country": ""}, "recipient_country"),
    ],
)
def test_refusals_stand_beside_their_field(school, fields, named):
    form = OrderForm(order_data(school, **fields), by=school.member)

    assert not form.is_valid() or form.place() is None
    assert named in form.errors
    assert Order.objects.count() == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"quantity": "x"},
        {"kind": "x"},
        {"media": "x"},
        {"configuration": "0"},
        {"key": "x"},
        {"recipient_country": "XX"},
    ],
)
def test_nonsense_is_no_valid_form(school, fields):
    assert not OrderForm(order_data(school, **fields), by=school.member).is_valid()


def test_a_download_needs_no_quantity(school):
    form = OrderForm(
        order_data(school, kind="virtual", media=school.download.pk, quantity=""), by=school.member
    )
    assert form.is_valid()

    assert form.place().quantity == 1


def test_configurations_of_others_cannot_be_chosen(school, stranger):
    form = OrderForm(order_data(school), by=stranger)

    assert list(form.errors) == ["configuration"]


def test_each_form_has_a_key_of_its_own(school):
    keys = {OrderForm(by=school.member)["key"].value() for _ in range(3)}

    assert len(keys) == 3


def configuration_data(**fields) -> dict:
    return {
        "name": "Hall",
        "ssid": "Hall",
        "domain": "hall",
        "admin_account": "admin",
        "admin_password": "secret-1",
        "language": "en",
        "timezone": "UTC",
        **fields,
    }


def test_a_new_configuration_belongs_to_the_persons_organization(school):
    wikipedia = Content.objects.get(ident="kiwix:wikipedia")
    form = ConfigurationForm(configuration_data(contents=[wikipedia.pk]), by=school.member)
    assert form.is_valid(), form.errors

    made = form.save()

    made.refresh_from_db()
    assert (made.organization, made.created_by) == (school.organization, school.member)
    assert (made.admin_password, made.wifi_password) == ("secret-1", "")
    assert list(made.contents.all()) == [wikipedia]
    assert "organization" not in form.fields


def test_staff_choose_the_organization(school):
    form = ConfigurationForm(configuration_data(organization=school.organization.pk), by=school.staff)

    assert form.is_valid(), form.errors
    assert form.save().organization == school.organization
    assert list(ConfigurationForm(configuration_data(), by=school.staff).errors) == ["organization"]


def test_who_has_no_organization_is_told(school):
    form = ConfigurationForm(configuration_data(), by=make.user(organization=None))

    assert "no organization" in form.non_field_errors()[0]


def test_a_new_configuration_needs_an_admin_password(school):
    assert list(ConfigurationForm(configuration_data(admin_password=""), by=school.member).errors) == [
        "admin_password"
    ]


@pytest.mark.parametrize(
    ("fields", "wifi", "admin"),
    [
        ({}, "wifi-canary-1", "admin-canary-2"),
        ({"wifi_password": "changed-1"}, "changed-1", "admin-canary-2"),
        ({"admin_password": "changed-2"}, "wifi-canary-1", "changed-2"),
        ({"open_network": "on"}, "", "admin-canary-2"),
    ],
)
def test_passwords_that_are_left_empty_stay(school, fields, wifi, admin):
    data = {**configuration_data(admin_password=""), **fields}
    form = ConfigurationForm(data, instance=school.configuration, by=school.member)
    assert form.is_valid(), form.errors

    form.save()

    kept = Configuration.objects.get(pk=school.configuration.pk)
    assert (kept.name, kept.wifi_password, kept.admin_password) == ("Hall", wifi, admin)


@pytest.mark.parametrize(
    "fields",
    [
        {"wifi_password": "short"},
        {"admin_password": "a b"},
        {"domain": "A"},
        {"timezone": "x"},
        {"contents": ["0"]},
    ],
)
def test_bad_configurations_change_nothing(school, fields):
    form = ConfigurationForm(configuration_data(**fields), instance=school.configuration, by=school.member)

    assert list(form.errors) == list(fields)
    kept = Configuration.objects.get(pk=school.configuration.pk)
    assert kept.admin_password == "admin-canary-2"


def test_passwords_are_not_in_the_page(school):
    form = ConfigurationForm(instance=school.configuration, by=school.member)

    assert "canary" not in form.as_p()
    assert 'autocomplete="new-password"' in form.as_p()


def test_shipping(school):
    order = school.place()
    form = ShipForm({"tracking": "DHL"})
    assert form.is_valid()
    with pytest.raises(IllegalMove):
        form.ship(order, by=school.staff)

    Order.objects.update(status="ready_to_ship")
    assert form.ship(order, by=school.staff).status == "shipped"
    assert not ShipForm({"tracking": " "}).is_valid()
