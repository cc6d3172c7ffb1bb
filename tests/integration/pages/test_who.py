"""Who may see and do what: anonymous, member, foreign member, staff, host."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client
from django.urls import reverse

from imager.accounts.models import Role
from orders.lifecycle import OrderStatus
from orders.models import Configuration
from tests import factories as make
from workers.contract import Kind

PAGES = [
    "home",
    "orders",
    "order_new",
    "configurations",
    "configuration_new",
    "addresses",
    "address_new",
    "stations",
    "hosts",
]
STAFF_ONLY = {"stations", "hosts", "attempt_log", "station", "admin:index"}


@pytest.fixture
def urls(school, line) -> dict[str, str]:
    """Every page that one can look at."""
    order, built = school.place(), school.place()
    task = line.claim(line.task(built, Kind.CREATE))
    return {
        "attempt_log": reverse("attempt_log", args=[task.pk, 1]),
        **{name: reverse(name) for name in PAGES},
        "order": order.get_absolute_url(),
        "configuration": reverse("configuration", args=[school.configuration.pk]),
        "address": reverse("address", args=[make.address(school.organization).pk]),
        "station": reverse("station", args=[line.writer.name]),
        "admin:index": reverse("admin:index"),
    }


def test_nobody_gets_the_login_page_and_comes_back(urls, browse):
    for name, url in urls.items():
        answer = browse(None).get(url)
        assert answer.status_code == 302, name
        assert "login" in answer["Location"], name
        assert url in answer["Location"], name


def test_members_see_everything_but_the_staff_pages(urls, member):
    for name, url in urls.items():
        expected = {302, 403} if name in STAFF_ONLY else {200}
        assert member.get(url).status_code in expected, name


def test_staff_see_all_pages(urls, staff):
    for name, url in urls.items():
        assert staff.get(url).status_code == 200, name


def test_a_disabled_member_is_out_at_once(urls, member, school):
    school.member.is_active = False
    school.member.save()
    assert all(member.get(url).status_code == 302 for url in urls.values())


def test_a_hosts_account_opens_no_page(urls, line, browse):
    for host in (line.creator, line.writer):
        client = browse(host.account)
        for name, url in urls.items():
            assert client.get(url).status_code == 302, name
            client.force_login(host.account)


def test_foreign_rows_do_not_exist(urls, browse, stranger, school):
    client = browse(stranger)
    order, configuration, address = urls["order"], urls["configuration"], urls["address"]
    for url in (order, configuration, address):
        assert client.get(url).status_code == 404
    for url in (
        f"{order}cancel/",
        f"{order}end/",
        f"{order}retry/",
        f"{order}ship/",
        configuration,
        f"{configuration}delete/",
        address,
        f"{address}delete/",
    ):
        assert client.post(url).status_code == 404, url
    school.configuration.refresh_from_db()
    assert school.configuration.name == "Library"


def test_lists_show_own_rows_only(urls, browse, stranger, school):
    for name in ("home", "orders", "configurations"):
        assert "Library" in browse(school.member).get(urls[name]).text
        assert "Library" not in browse(stranger).get(urls[name]).text
        assert "Library" in browse(school.staff).get(urls[name]).text


def test_a_foreign_configuration_cannot_be_ordered(browse, stranger, school):
    answer = browse(stranger).post(
        "/orders/new/",
        {
            "configuration": school.configuration.pk,
            "kind": "virtual",
            "media": school.download.pk,
            "key": uuid.uuid4(),
        },
    )
    assert answer.status_code == 200
    assert answer.context["form"].errors.keys() == {"configuration"}


def test_the_live_summary_tells_nothing_of_foreign_configurations(browse, stranger, school):
    answer = browse(stranger).get(
        "/orders/new/",
        {"configuration": school.configuration.pk},
        headers={"HX-Request": "true", "HX-Target": "summary"},
    )
    assert answer.context["sizing"].configuration is None
    assert "Library" not in answer.text


def test_a_member_without_an_organization_sees_nothing_and_gets_a_reason(browse, school):
    lonely = make.user(organization=None)
    client = browse(lonely)
    assert "Library" not in client.get("/orders/").text
    fields = {
        "name": "x",
        "ssid": "x",
        "domain": "x",
        "admin_account": "admin",
        "admin_password": "secret",
        "language": "en",
        "timezone": "UTC",
    }
    answer = client.post("/configurations/new/", fields)
    assert "You belong to no organization" in answer.text
    assert Configuration.objects.count() == 1


POSTS = [
    "order_cancel",
    "order_end",
    "order_retry",
    "order_ship",
    "configuration_delete",
    "address_delete",
    "station_confirm",
    "set_language",
]
FORMS = ["order_new", "configuration_new", "address_new"]


def acting(name: str, school, line) -> str:
    args = {
        "configuration_delete": [school.configuration.pk],
        "address_delete": [make.address(school.organization).pk],
        "station_confirm": [line.writer.name, "A"],
        "set_language": [],
    }
    if name in args:
        return reverse(name, args=args[name])
    return reverse(name, args=[school.place().pk])


@pytest.mark.parametrize("name", POSTS)
def test_what_changes_something_is_post_only(name, school, line, staff):
    url = acting(name, school, line)
    for method in ("get", "put", "delete"):
        assert getattr(staff, method)(url).status_code == 405, method


@pytest.mark.parametrize("name", [*POSTS, *FORMS])
def test_a_forged_post_changes_nothing(name, school, line):
    url = reverse(name) if name in FORMS else acting(name, school, line)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(school.staff)
    answer = strict.post(url, {"language": "fr", "tracking": "x"})
    assert answer.status_code == 403
    assert "Nothing was changed" in answer.text


def test_the_reading_pages_refuse_posts(urls, staff):
    for name in ("home", "orders", "order", "configurations"):
        assert staff.post(urls[name]).status_code == 405, name


def test_members_cannot_ship(school, line, member):
    order = school.place()
    line.build(order)
    line.download(order)
    line.write(order, 1)
    url = order.get_absolute_url()
    assert "Ship the cards" not in member.get(url).text
    assert member.post(f"{url}ship/", {"tracking": "x"}).status_code == 403
    order.refresh_from_db()
    assert order.status == OrderStatus.READY_TO_SHIP


def test_only_staff_read_where_and_by_whom(school, line, member, staff):
    order = school.place()
    line.build(order)
    url = order.get_absolute_url()
    assert line.creator.name not in member.get(url).text
    assert line.creator.name in staff.get(url).text


def test_no_page_shows_a_password_or_the_recipe(urls, staff, school):
    for name, url in urls.items():
        text = staff.get(url).text
        assert "canary" not in text, name
    fields = {"wifi_password": "short", "admin_password": "next-canary"}
    answer = staff.post(urls["configuration"], fields)
    assert answer.status_code == 200
    assert "canary" not in answer.text


def test_roles_are_what_the_tests_think(school):
    assert (school.member.role, school.staff.role) == (Role.MEMBER, Role.STAFF)
