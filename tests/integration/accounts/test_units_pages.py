"""The ledger as people see it: page, API, admin."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from imager.accounts import ledger
from imager.accounts.models import Organization, Role, UnitEntry
from orders import services
from tests import factories as make
from tests.integration.orders.conftest import api, line, school

__all__ = ["api", "line", "school"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def limited(school):
    Organization.objects.filter(pk=school.organization.pk).update(limited=True)
    school.organization.refresh_from_db()
    ledger.grant(school.organization, units=1000, by=school.staff, note="Year 2026")
    return school


def browse(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_members_see_balance_and_entries(limited):
    order = limited.place()
    page = browse(limited.member).get("/units/").text
    assert "920" in page
    assert "Year 2026" in page
    assert order.get_absolute_url() in page
    assert "Reserved for an order" in page


def test_members_read_neither_hosts_nor_addresses_of_staff(limited, line, api):
    line.fail(line.claim(line.task(limited.place(), "create")))
    clerk = make.staff(organization=limited.organization)
    names = {line.creator.name, limited.staff.email}
    assert names <= set(limited.organization.unit_entries.values_list("by", flat=True))
    for person, shown in ((limited.member, set()), (clerk, names)):
        page = browse(person).get("/units/").text
        assert {name for name in names if name in page} == shown
        rows = api(person).get("/api/v1/units/").json()["results"]
        assert {row["by"] for row in rows} & names == shown
        assert ({row["by"] for row in rows} == {""}) is not bool(shown)


def test_nobody_sees_another_ledger(limited):
    limited.place()
    stranger = make.user()
    page = browse(stranger).get("/units/").text
    assert "Year 2026" not in page
    assert "Nothing was granted" in page


@pytest.mark.parametrize("rows", [1, 3])
def test_the_page_has_a_constant_number_of_queries(limited, rows, django_assert_num_queries):
    for _ in range(rows):
        limited.place()
    client = browse(limited.member)
    with django_assert_num_queries(6):  # session, user with organization, count, entries, last entry
        client.get("/units/")


def test_the_api_tells_balance_and_entries(limited, api):
    order = limited.place()
    client = api(limited.member)
    assert client.get("/api/v1/units/balance/").json() == {"balance": 920, "reserved": 80, "limited": True}
    listed = client.get("/api/v1/units/").json()
    assert [(row["kind"], row["units"], row["order"]) for row in listed["results"]] == [
        ("reserve", -80, str(order.pk)),
        ("grant", 1000, None),
    ]
    assert api(make.user()).get("/api/v1/units/").json()["count"] == 0
    assert api(make.staff()).get("/api/v1/units/balance/").status_code == 404


def test_an_order_by_api_that_costs_too_much_is_refused_in_words(limited, api):
    body = {"configuration": limited.configuration.pk, "kind": "physical", "media": limited.card.pk}
    recipient = {"recipient_name": "A", "recipient_address": "B", "recipient_country": "ML"}
    answer = api(limited.member).post("/api/v1/orders/", {**body, **recipient, "quantity": 10})
    assert answer.status_code == 201
    assert ledger.purse(limited.organization).balance == 200
    answer = api(limited.member).post("/api/v1/orders/", {**body, **recipient, "quantity": 3})
    assert answer.status_code == 400
    assert "This costs 240 units; École has 200." in str(answer.json()["errors"])


def test_a_retry_without_units_says_so_on_the_page_and_in_the_api(limited, line, api):
    failed = limited.place()
    line.fail(line.claim(line.task(failed, "create")))
    ledger.grant(limited.organization, units=-1000, by=limited.staff, note="End of the year")
    page = browse(limited.member).post(f"{failed.get_absolute_url()}retry/", follow=True).text
    assert "This costs 80 units; École has 0." in page
    answer = api(limited.member).post(f"/api/v1/orders/{failed.pk}/retry/")
    assert (answer.status_code, answer.json()["code"]) == (409, "short_of_units")


def test_the_order_form_shows_cost_and_balance(limited):
    page = browse(limited.member).get("/orders/new/", {"configuration": limited.configuration.pk}).text
    assert "80 units" in page
    assert "1,000 units" in page
    assert "not enough units" not in page
    ledger.grant(limited.organization, units=-990, by=limited.staff, note="Mistake")
    page = browse(limited.member).get("/orders/new/", {"configuration": limited.configuration.pk}).text
    assert "not enough units" in page


# the admin


def grant_url(organization) -> str:
    return reverse("admin:accounts_organization_grant", args=[organization.pk])


def test_staff_grant_after_a_look_at_what_it_makes(limited):
    client = browse(limited.staff)
    fields = {"units": "50", "note": "For the fair"}
    shown = client.post(grant_url(limited.organization), fields)
    assert "make a balance of 1,050" in shown.text
    assert ledger.purse(limited.organization).balance == 1000
    sent = {**fields, "last": "1", "confirmed": "1"}
    assert 'name="last" value="1"' in shown.text
    client.post(grant_url(limited.organization), sent)
    again = client.post(grant_url(limited.organization), sent).text
    assert "The ledger has new entries since you looked." in again
    client.post(grant_url(limited.organization), {**fields, "confirmed": "1"})
    assert ledger.purse(limited.organization).balance == 1050
    entry = limited.organization.unit_entries.first()
    assert (entry.kind, entry.by, entry.note) == ("grant", limited.staff.email, "For the fair")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"units": "0", "note": "x"}, "Enter how many units to give"),
        ({"units": "-1001", "note": "x"}, "École has 1000 units: no more than that can be taken back."),
        ({"units": "5", "note": " "}, "“Note” is empty: fill it in."),
        ({"units": "99999999999", "note": "x"}, "“Units” is at most 1000000000: enter that or less."),
    ],
)
def test_what_cannot_be_granted(limited, fields, words):
    answer = browse(limited.staff).post(
        grant_url(limited.organization), {**fields, "last": "1", "confirmed": "1"}
    )
    assert words in answer.text
    assert ledger.purse(limited.organization).balance == 1000


def test_granting_needs_its_own_permission(limited):
    clerk = make.user(role=Role.STAFF)
    clerk.user_permissions.set(
        Permission.objects.filter(codename__in=["view_organization", "change_organization"])
    )
    fields = {"units": "50", "note": "x", "last": "1", "confirmed": "1"}
    assert browse(clerk).post(grant_url(limited.organization), fields).status_code == 403
    assert ledger.purse(limited.organization).balance == 1000
    clerk.user_permissions.add(Permission.objects.get(codename="grant_units"))
    assert browse(clerk).post(grant_url(limited.organization), fields).status_code == 302


def test_the_ledger_in_the_admin_is_for_reading(limited, django_assert_max_num_queries):
    limited.place()
    client = browse(limited.staff)
    listing = reverse("admin:accounts_unitentry_changelist")
    with django_assert_max_num_queries(12):
        page = client.get(listing).text
    assert "Reserved for an order" in page or "reserved for an order" in page
    entry = UnitEntry.objects.first()
    for name in ("add", "change", "delete"):
        url = reverse(f"admin:accounts_unitentry_{name}", args=[] if name == "add" else [entry.pk])
        client.post(url, {"units": 5, "post": "yes"})
    assert UnitEntry.objects.count() == 2
    assert services.cancel(limited.organization.orders.get(), by=limited.staff)
    assert client.get(reverse("admin:accounts_organization_changelist")).text.count("1000") == 1
