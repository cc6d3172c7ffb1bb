"""Lists of a million orders: an index leads to each, and counting ends where nobody reads on."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from imager import paging
from imager.accounts.models import UnitEntry
from orders.models import Content, Order, searching
from orders.order_filter import OrderFilter
from orders.views.lists import listed
from tasks_app import queries as tasks
from tasks_app.models import Card, Host, Task
from tests import factories as make
from tests.integration.pages.test_lists import numbers
from warehouse.models import StoredFile

pytestmark = pytest.mark.django_db


WORDS = ("indexscan",)  # how the database would not read them if the table were large
LISTS = ("bitmapscan", "sort")


def plan(rows, *avoided: str) -> str:
    """How the database reads them if there is anything better than the whole table."""
    with connection.cursor() as cursor:
        for way in ("seqscan", "indexscan", "bitmapscan", "sort"):
            cursor.execute(f"SET LOCAL enable_{way} = {'off' if way in ('seqscan', *avoided) else 'on'}")
    return str(rows.explain())


@pytest.fixture
def crowd(db) -> None:
    """So many rows that an index is worth it; most are of others, long over."""
    media, user = make.media(), make.user()
    Order.objects.bulk_create(
        Order(
            organization=user.organization, created_by=user, media=media, kind="physical", status="shipped",
            name=f"Village {n}", image_name=f"village-{n}", recipient_name="Moussa Keïta", recipe="base: {}",
        )
        for n in range(500)
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE orders_order")


def wanted(user, **query) -> OrderFilter:
    form = OrderFilter(query, by=user)
    assert form.is_valid()
    return form


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({}, "orders_order_number_key"),
        ({"status": "failed"}, "order_list_of_status"),
        ({"kind": "virtual"}, "order_list_of_kind"),
        ({"since": "2020-01-01", "until": "2020-02-01"}, "order_created"),
    ],
)
def test_lists_of_staff_follow_an_index(crowd, query, index):
    staff = make.staff()
    assert index in plan(wanted(staff, **query).apply(listed(staff))[:25], *LISTS)


@pytest.mark.parametrize(
    ("query", "index"), [({}, "order_list_by_number"), ({"status": "shipped"}, "order_list_of_own_status")]
)
def test_lists_of_members_follow_an_index(crowd, query, index):
    member = make.user()
    assert index in plan(wanted(member, **query).apply(listed(member))[:25], *LISTS)


@pytest.mark.parametrize("sought", ["diop library", "Ba", "123456"])
def test_words_are_looked_up_in_their_index(crowd, sought):
    assert "order_words" in plan(Order.objects.search(sought), *WORDS)


def test_words_of_organizations_are_looked_up_by_index_too(crowd):
    make.organization(name="Ailleurs")
    read = plan(Order.objects.search("ailleurs keïta"), *WORDS)
    assert "order_words" in read
    assert "order_list" in read


def settle_work() -> Host:
    """A task and a file of each order, on 25 writers: one of them."""
    hosts = [make.host("writer") for _ in range(25)]
    orders = list(Order.objects.all())
    Task.objects.bulk_create(
        Task(
            order=order, kind="write", unit=1, host=hosts[n % 25], channel=hosts[0].channel,
            status="done" if n // 25 % 10 else "waiting",
        )
        for n, order in enumerate(orders)
    )  # fmt: skip
    warehouse = make.warehouse()
    StoredFile.objects.bulk_create(
        StoredFile(
            warehouse=warehouse, owner=order.pk, task=uuid.uuid4(), attempt=1, name=f"crowd-{n}.img.zst",
            size=1, sha256="0" * 64, status="removed",
        )
        for n, order in enumerate(orders)
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE tasks_app_task, warehouse_storedfile")
    return hosts[0]


def test_what_stations_statistics_and_others_read(crowd):
    host = settle_work()
    assert "task_open" in plan(Task.objects.filter(host=host, kind="write", status="waiting").order_by())
    failed = Task.objects.filter(status="failed").order_by("-created_at")
    assert "task_list_of_status" in plan(failed[:25], *LISTS)
    bad = Card.objects.filter(verdict="bad").order_by("-permitted_at")
    assert "card_list_of_verdict" in plan(bad[:25], *LISTS)
    assert "card_ended" in plan(Card.objects.filter(ended_at__gte=timezone.now()).order_by())
    assert "units_at" in plan(UnitEntry.objects.order_by("-at")[:50], *LISTS)
    assert "content_search" in plan(Content.objects.filter(search__contains="zyzzyva"))
    assert "file_name" in plan(StoredFile.objects.filter(name__startswith="crowd-11").order_by())
    assert "file_present" in plan(StoredFile.objects.exclude(status="removed").values("owner"), *LISTS)


class TestSearch:
    @pytest.fixture(autouse=True)
    def order(self, school):
        """The one that is sought, among others."""
        make.order(name="Elsewhere", recipient_name="Bali Sow", organization=make.organization(name="Other"))
        return make.order(
            name="School (north) 12", recipient_name="Ba Diop", recipient_email="reader@post.example",
            tracking="RR123", image_name="school-aa11", organization=school.organization,
        )  # fmt: skip

    @pytest.mark.parametrize(
        "sought",
        ["reader@post", "rr123", "school-aa", "NORTH", "ba diop", "d ba", "diop & school", "éco diop", "12"],
    )
    def test_each_word_is_somewhere(self, order, sought):
        assert list(Order.objects.search(sought)) == [order]

    def test_a_short_word_begins_one(self):
        assert {found.recipient_name for found in Order.objects.search("ba")} == {"Ba Diop", "Bali Sow"}
        assert not Order.objects.search("li")
        assert Order.objects.search("ali")

    def test_whoever_ordered_only_for_staff(self, school):
        made = make.order(created_by=school.member)
        assert list(Order.objects.search("amina", people=True)) == [made]
        assert not Order.objects.search("amina")

    def test_a_word_that_many_organizations_have(self, order, monkeypatch):
        make.organization(name="École deux")
        monkeypatch.setattr(searching, "MOST_MEANT", 1)
        assert list(Order.objects.search("école diop")) == [order]

    def test_signs_alone_find_nothing(self):
        assert not Order.objects.search("& % --")
        assert Order.objects.search(" ").count() == 2


class TestFew:
    """What matches is rarer than the planner believes: it is fetched by keys, whatever else there is."""

    def test_keys_come_from_the_index_of_words(self, crowd, school):
        meets = make.order(name="Village school", recipient_name="Awa", organization=school.organization)
        staff = make.staff()
        with CaptureQueriesContext(connection) as asked:
            rows = wanted(staff, q="village school").apply(listed(staff))
        assert [order.pk for order in rows] == [meets.pk]
        said = [query["sql"] for query in asked]
        fetched = next(place for place, sql in enumerate(said) if "LIMIT 1001" in sql)
        assert said[fetched - 1] == searching.BY_INDEX
        assert said[fetched + 1] == searching.AS_USUAL
        assert "UPPER" not in str(rows.query), "words are not compared once more"

    def test_many_stay_as_they_are(self, crowd, browse, monkeypatch):
        staff = make.staff()
        monkeypatch.setattr(searching, "FEW", 3)
        monkeypatch.setattr("orders.order_filter.FEW", 3)
        rows = wanted(staff, q="village").apply(listed(staff))
        assert rows.count() == 500
        answer = browse(staff).get("/orders/", {"q": "village", "sort": "name"})
        assert "More than 3 orders" in answer.text
        assert len(numbers(answer)) == 3

    def test_the_planner_is_as_before(self, school):
        Order.objects.search("x").settled(Order.objects.all())
        with connection.cursor() as cursor:
            cursor.execute("SHOW enable_seqscan")
            assert cursor.fetchone() == ("on",)


def test_sorting_is_of_the_newest_that_can_be_paged_through(school, browse, monkeypatch):
    monkeypatch.setattr(paging, "MOST", 2)
    old, *new = [make.order(organization=school.organization, name=name) for name in ("A", "C", "B", "D")]
    found = numbers(browse(school.member).get("/orders/", {"sort": "name"}))
    assert found == [new[1].number, new[0].number]
    assert old.number not in numbers(browse(school.member).get("/orders/", {"sort": "name", "page": 2}))


def test_of_some_days_by_time(school, browse):
    first, second = (make.order(organization=school.organization) for _ in range(2))
    Order.objects.filter(pk=first.pk).update(created_at=timezone.now() + timedelta(hours=1))
    found = numbers(browse(school.member).get("/orders/", {"since": "2020-01-01"}))
    assert found == [first.number, second.number]


def test_the_count_asks_for_keys_alone(school, browse, django_assert_num_queries):
    make.order(organization=school.organization)
    form = wanted(school.member)
    with django_assert_num_queries(1) as asked:
        assert paging.Bounded(form.apply(listed(school.member)), 25).count == 1
    assert "ORDER BY" not in asked[0]["sql"]
    assert "warehouse" not in asked[0]["sql"]


def test_waiting_cards_are_counted_without_what_is_done(school, line, django_assert_num_queries):
    order = school.place(quantity=2)
    line.build(order)
    line.download(order)
    with django_assert_num_queries(1) as asked:
        assert [station.waiting for station in tasks.stations()] == [2]
    assert "LEFT OUTER JOIN" not in asked[0]["sql"]
