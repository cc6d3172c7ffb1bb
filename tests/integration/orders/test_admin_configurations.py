"""Configurations in the admin: passwords stay hidden, and the catalogue does not come along."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from imager.accounts.models import User
from orders.models import Configuration, Content
from tests import factories as make

LIST = "/admin/orders/order/"


@pytest.fixture
def staff(client, school) -> User:
    client.force_login(school.staff)
    return school.staff


def configuration_data(school, **fields) -> dict:
    return {
        "organization": school.organization.pk,
        "name": "Hall",
        "ssid": "Hall",
        "domain": "hall",
        "admin_account": "admin",
        "wifi_password": "",
        "admin_password": "",
        "language": "en",
        "timezone": "UTC",
        **fields,
    }


def test_configurations_hide_and_keep_their_passwords(client, staff, school):
    url = reverse("admin:orders_configuration_change", args=[school.configuration.pk])
    assert "canary" not in client.get(url).content.decode()
    assert "canary" not in client.get(reverse("admin:orders_configuration_changelist")).content.decode()

    answer = client.post(url, configuration_data(school))

    assert answer.status_code == 302, answer.context["errors"]
    kept = Configuration.objects.get()
    assert (kept.name, kept.wifi_password, kept.admin_password) == ("Hall", "wifi-canary-1", "admin-canary-2")


def test_a_configuration_can_be_added(client, staff, school):
    url = reverse("admin:orders_configuration_add")
    assert client.post(url, configuration_data(school)).status_code == 200  # the admin password is missing
    assert Configuration.objects.count() == 1

    client.post(url, configuration_data(school, admin_password="secret-1"))

    assert Configuration.objects.get(name="Hall").created_by == staff


def test_of_the_catalogue_only_what_is_chosen_comes_along(client, staff, school, django_assert_num_queries):
    """The page costs the same whether the catalogue has ten entries or ten thousand."""
    url = reverse("admin:orders_configuration_change", args=[school.configuration.pk])
    client.get(url)
    with CaptureQueriesContext(connection) as few:
        client.get(url)
    Content.objects.bulk_create(
        Content(ident=f"x:{n}", title=f"Entry {n}", url="https://x.example/", size=1, path=f"/data/{n}")
        for n in range(300)
    )
    with django_assert_num_queries(len(few)):
        page = client.get(url).content.decode()
    assert len(few) <= 12
    assert "Entry 7" not in page
    assert page.count('<option value="') < 20
    for title in ("Wikipedia", "Gutenberg"):
        assert title in page


def test_what_cannot_be_ordered_is_not_chosen_in_the_admin(client, staff, school):
    chooser = {"app_label": "orders", "model_name": "configuration", "field_name": "contents", "term": ""}
    gone, hidden = (
        Content.objects.create(
            ident=f"x:{n}", title=f"X {n}", url="https://x.example/", size=1, path=f"/data/{n}"
        )
        for n in range(2)
    )
    Content.objects.filter(pk=gone.pk).update(missing_since=timezone.now())
    Content.objects.filter(pk=hidden.pk).update(active=False)
    offered = client.get(reverse("admin:autocomplete"), chooser).json()["results"]
    assert [one["text"] for one in offered] == ["Gutenberg", "Wikipedia"]

    url = reverse("admin:orders_configuration_change", args=[school.configuration.pk])
    for bad in (gone, hidden):
        answer = client.post(url, configuration_data(school, contents=[bad.pk]))
        assert answer.status_code == 200
        assert answer.context["adminform"].form.errors["contents"]
    chosen = school.configuration.contents.get(title="Wikipedia")
    Content.objects.filter(pk=chosen.pk).update(active=False)  # what is in it already may stay
    assert client.post(url, configuration_data(school, contents=[chosen.pk])).status_code == 302
    assert list(school.configuration.contents.all()) == [chosen]


def test_a_configuration_leads_to_its_editor_its_versions_and_its_orders(client, staff, school):
    order, other = school.place(), make.order()
    page = client.get(reverse("admin:orders_configuration_change", args=[school.configuration.pk]))
    for name in ("configuration", "configuration_versions"):
        address = reverse(name, args=[school.configuration.pk])
        assert f'href="{address}"' in page.content.decode()
        assert client.get(address).status_code == 200
    theirs = f"{LIST}?configuration__id__exact={school.configuration.pk}"
    assert theirs in page.content.decode()
    assert [row.pk for row in client.get(theirs).context["cl"].result_list] == [order.pk]
    assert other.configuration_id != school.configuration.pk
