"""Home, the list of orders, the list of configurations."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from imager.accounts.models import Organization
from orders import services
from orders.models import Content, Order
from tests import factories as make
from tests.integration.pages.conftest import HTMX, Page
from workers.contract import Kind


def numbers(answer) -> list[int]:
    return [order.number for order in answer.context["page"].object_list]


@pytest.fixture
def orders(school) -> list[Order]:
    fields = {"organization": school.organization, "created_by": school.member}
    return [
        make.order(name="Bibliobus", recipient_name="Awa Diop", **fields),
        make.order(name="Lycée", recipient_name="Bruno", status="failed", failed_stage="creating", **fields),
        make.order(name="Clinic 7", recipient_name="Chen", kind="virtual", **fields),
    ]


def test_newest_first(member, orders):
    assert numbers(member.get("/orders/")) == [order.number for order in reversed(orders)]


@pytest.mark.parametrize(
    ("sought", "found"),
    [
        ("bibliobus", [0]),
        ("LYC", [1]),
        ("awa", [0]),
        ("diop awa", [0]),
        ("awa lycée", []),
        ("7", [2]),
        ("%", []),
        ("_", []),
        ("\x00", [2, 1, 0]),
        ("'; DROP TABLE orders_order; --", []),
        ("9" * 40, []),
        ("²", []),
        ("  ", [2, 1, 0]),
    ],
)
def test_search(member, orders, sought, found):
    assert numbers(member.get("/orders/", {"q": sought})) == [orders[index].number for index in found]


def test_search_by_number_with_and_without_its_sign(member, orders):
    for sought in (str(orders[1].number), f"#{orders[1].number}", f" {orders[1].number} "):
        assert numbers(member.get("/orders/", {"q": sought})) == [orders[1].number]


def test_staff_find_by_organization(staff, school, orders):
    other = make.order(organization=make.organization(name="Ailleurs"))
    assert numbers(staff.get("/orders/", {"q": "ailleurs"})) == [other.number]


def test_filter_by_status(member, orders):
    assert numbers(member.get("/orders/", {"status": "failed"})) == [orders[1].number]
    assert len(numbers(member.get("/orders/", {"status": "no such"}))) == 3
    assert "No order matches" in member.get("/orders/", {"status": "shipped"}).text


def test_all_further_filters(member, school, orders):
    colleague = make.user(organization=school.organization)
    mine = make.order(
        organization=school.organization, created_by=colleague, configuration=school.configuration
    )
    Order.objects.filter(pk=orders[0].pk).update(created_at="2020-03-01T12:00Z")
    newest = mine.number
    expected = {
        "configuration": (school.configuration.pk, [newest]),
        "person": (colleague.pk, [newest]),
        "kind": ("virtual", [orders[2].number]),
        "until": ("2020-03-01", [orders[0].number]),
        "since": ("2020-03-02", [newest, orders[2].number, orders[1].number]),
        "status": ("open", [newest, orders[2].number, orders[0].number]),
    }
    for name, (value, found) in expected.items():
        answer = member.get("/orders/", {name: value})
        assert numbers(answer) == found, name
    assert "2020-03-01" in member.get("/orders/", {"until": "2020-03-01"}).text


def test_sorting(member, orders):
    by = {
        "oldest": [0, 1, 2],
        "": [2, 1, 0],
        "status": [2, 0, 1],
    }
    for sort, places in by.items():
        found = numbers(member.get("/orders/", {"sort": sort}))
        assert found == [orders[place].number for place in places], sort
    names = [order.name for order in member.get("/orders/", {"sort": "name"}).context["page"]]
    assert names == sorted(names)
    assert len(numbers(member.get("/orders/", {"sort": "person"}))) == 3


@pytest.mark.parametrize("junk", ["x", "-1", "9" * 40, "²", "\x00", "2020-13-45"])
def test_junk_filters_nothing(member, orders, junk):
    query = dict.fromkeys(("status", "kind", "configuration", "person", "since", "until", "sort"), junk)
    assert len(numbers(member.get("/orders/", query))) == 3


def test_people_and_configurations_of_others_filter_nothing(browse, stranger, school):
    make.order(organization=stranger.organization)
    client = browse(stranger)
    query = {"configuration": school.configuration.pk, "person": school.member.pk}
    assert len(numbers(client.get("/orders/", query))) == 1
    assert "amina" not in client.get("/orders/").text


def test_counting_ends_where_nobody_reads_on(member, orders, monkeypatch):
    monkeypatch.setattr("imager.paging.MOST", 2)
    page = Page(member.get("/orders/").text)
    assert "More than 2 orders" in page.words
    assert len(numbers(member.get("/orders/"))) == 2


def test_htmx_gets_the_list_alone(member, orders):
    whole, part = member.get("/orders/"), member.get("/orders/", {"q": "awa"}, headers=HTMX)
    assert "<html" in whole.text
    assert "<html" not in part.text
    assert Page(part.text).words.startswith("1 order ")


def test_pages_keep_the_search(member, school):
    for _ in range(30):
        make.order(organization=school.organization, name="Alike")
    first = member.get("/orders/", {"q": "alike"})
    older = next(a["href"] for a in Page(first.text).all("a", rel="next"))
    assert "q=alike" in older
    assert "Page 1 of 2" in Page(first.text).words
    second = member.get(f"/orders/{older}")
    assert len(numbers(second)) == 5
    assert not set(numbers(first)) & set(numbers(second))
    assert numbers(member.get("/orders/", {"q": "alike", "page": "junk"})) == numbers(first)
    assert numbers(member.get("/orders/", {"q": "alike", "page": "99"})) == numbers(second)


def test_an_empty_list_shows_the_way(browse, stranger):
    assert "Place the first order" in browse(stranger).get("/orders/").text
    assert "Describe the first one" in browse(stranger).get("/configurations/").text
    assert "Nothing is under way" in browse(stranger).get("/").text


def test_home_counts_what_goes_on(member, school, line):
    building, failed, canceled = school.place(), school.place(), school.place()
    line.claim(line.task(building, Kind.CREATE))
    line.fail(line.claim(line.task(failed, Kind.CREATE)))
    services.cancel(canceled, by=school.member)
    download = school.place(kind="virtual")
    line.build(download)
    answer = member.get("/")
    context = answer.context
    assert [context[name] for name in ("working", "ready", "available", "failed")] == [1, 0, 1, 1]
    assert {order.pk for order in context["open_orders"]} == {building.pk, failed.pk, download.pk}
    assert "Stations" not in Page(answer.text).words


def test_home_says_what_needs_the_member(member, school, line):
    assert "What needs you" not in member.get("/").text
    failed = school.place()
    line.fail(line.claim(line.task(failed, Kind.CREATE)))
    download = school.place(kind="virtual")
    line.build(download)
    Order.objects.filter(pk=download.pk).update(expires_at=timezone.now() + timedelta(days=2))
    Content.objects.filter(title="Wikipedia").update(active=False)
    Organization.objects.filter(pk=school.organization.pk).update(limited=True)
    school.member.expires_at = timezone.now() + timedelta(days=9)
    school.member.save()
    page = Page(member.get("/").text)
    for told in (
        f"{failed} “Library” has failed",
        f"The download of {download} “Library” ends on",
        "“Library” holds contents that are no longer available",
        "no units left",
        "Your account ends on",
    ):
        assert told in page.words, told
    assert page.all("a", href=f"/orders/new/?configuration={school.configuration.pk}")


def test_home_tells_staff_which_station_needs_cards(staff, school, line):
    order = school.place(quantity=3)
    line.build(order)
    line.download(order)
    words = Page(staff.get("/").text).words
    assert "3 cards are needed" in words


def test_configurations_show_how_much_is_on_them(member, school):
    page = Page(member.get("/configurations/").text)
    assert "2 · 2.0 MB" in page.words
    assert page.all("a", href=f"/orders/new/?configuration={school.configuration.pk}")


@pytest.mark.parametrize(("url", "count"), [("/", 11), ("/orders/", 7), ("/configurations/", 6)])
def test_query_counts_at_one_and_three_rows(member, school, django_assert_num_queries, url, count):
    def row() -> None:
        make.order(organization=school.organization, created_by=school.member)
        made = make.configuration(school.organization)
        made.contents.set(Content.objects.all())

    row()
    member.get(url)
    with django_assert_num_queries(count):
        member.get(url)
    row()
    row()
    with django_assert_num_queries(count):
        member.get(url)


def test_query_counts_of_staffs_home(staff, school, line, django_assert_num_queries):
    staff.get("/")
    with django_assert_num_queries(5):
        staff.get("/")
    for _ in range(2):
        make.host("writer")
        school.place()
    with django_assert_num_queries(5):
        staff.get("/")


def test_the_last_day_of_the_calendar_is_a_day(member):
    assert member.get("/orders/", {"until": "9999-12-31", "since": "0001-01-01"}).status_code == 200
