"""Lists of the admin that grow with every order: bounded, by the calendar, searched by what has an index."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from imager import clock, paging
from imager.accounts import ledger
from imager.accounts.models import UnitEntry, User
from orders.models import Order
from tasks_app import outbox
from tasks_app.models import Attempt, Card, RefusedReport, SlotEvent, Stumble, Task
from tests import factories as make
from tests.integration.pages.conftest import Page
from warehouse.models import StoredFile
from workers.contract import Kind

pytestmark = pytest.mark.django_db

TIMES = {
    "orders/order": "created_at",
    "tasks_app/task": "created_at",
    "tasks_app/card": "permitted_at",
    "accounts/unitentry": "at",
    "warehouse/storedfile": "granted_at",
}


@pytest.fixture
def boss(school) -> Client:
    client = Client()
    client.force_login(school.staff)
    return client


@pytest.fixture
def order(school, line) -> Order:
    made = school.place(quantity=2)
    line.build(made)
    line.download(made)
    line.write(made, 1)
    ledger.grant(school.organization, units=10, by=school.staff, note="spring gift")
    return made


def found(client: Client, path: str, **query) -> set:
    answer = client.get(f"/admin/{path}/", query)
    assert answer.status_code == 200, f"{path} {query}: {answer.status_code}"
    return {row.pk for row in answer.context["cl"].result_list}


def test_counting_ends_where_nobody_reads_on(boss, school, monkeypatch):
    monkeypatch.setattr(paging, "MOST", 2)
    for _ in range(3):
        make.order(organization=school.organization)
    assert "More than 2 orders: the first are shown." in Page(boss.get("/admin/orders/order/").text).words


def test_who_searches_is_told_that_there_are_more(boss, school, monkeypatch):
    for number in range(3):
        make.order(organization=school.organization, name=f"Bus {number}")
    monkeypatch.setattr(paging, "MOST", 2)
    assert "more than 2 results" in Page(boss.get("/admin/orders/order/", {"q": "bus"}).text).words
    monkeypatch.setattr(paging, "MOST", 3)
    assert "3 results" in Page(boss.get("/admin/orders/order/", {"q": "bus"}).text).words


def test_work_without_an_outcome_yet(boss, school, order, line):
    """`order`: built and downloaded, one card written, the other one waited for."""
    running = line.claim(line.task(school.place(), Kind.CREATE))
    unfinished = {running.pk, *Task.objects.filter(status="waiting").values_list("pk", flat=True)}
    everything = set(Task.objects.values_list("pk", flat=True))
    assert found(boss, "tasks_app/task", over="no") == unfinished
    assert found(boss, "tasks_app/task", over="yes") == everything - unfinished
    assert found(boss, "tasks_app/task", over="x") == everything
    (attempt,) = running.attempts.all()
    assert found(boss, "tasks_app/attempt", outcome="none") == {attempt.pk}
    assert "none yet" in boss.get("/admin/tasks_app/attempt/").text


def test_attempts_without_an_outcome_are_found_by_an_index(boss, order):
    """Which ended has one, what came of them has none."""
    with CaptureQueriesContext(connection) as asked:
        boss.get("/admin/tasks_app/attempt/", {"outcome": "none"})
    told = [query["sql"] for query in asked if 'FROM "tasks_app_attempt"' in query["sql"]]
    assert any('"ended_at" IS NULL' in sql for sql in told)
    assert not any("\"outcome\" = ''" in sql for sql in told)


@pytest.mark.parametrize("path", ["outbox", "refusedreport", "slotevent", "stumble", "attempt"])
def test_records_begin_with_the_newest(boss, order, line, path):
    """Of very many only the first are shown."""
    slot, task = make.slot(line.writer, name="B"), line.task(order, Kind.CREATE)
    for number in range(2):
        outbox.post("mail", dedupe=f"newest {number}", payload={})
        RefusedReport.objects.create(task=task, attempt=1, host=line.creator, reason="stale")
        SlotEvent.objects.create(slot=slot, what="released", by="x")
        Stumble.objects.create(job="ring", subject=str(number), last_at=clock.now(), not_before=clock.now())
    rows = list(boss.get(f"/admin/tasks_app/{path}/").context["cl"].result_list)
    keys = [row.pk for row in rows]
    assert len(keys) >= 2
    assert keys == sorted(keys, reverse=True)


@pytest.mark.parametrize("path", ["task", "attempt", "card", "slot", "slotevent", "refusedreport"])
def test_hosts_to_filter_by_while_they_are_few(boss, order, path, monkeypatch):
    url = f"/admin/tasks_app/{path}/"
    assert "host__id__exact=" in boss.get(url).text
    monkeypatch.setattr("imager.accounts.admin.filters.MOST", 1)
    assert "host__id__exact=" not in boss.get(url).text


@pytest.mark.parametrize("path", TIMES)
def test_no_question_reads_all_rows(boss, order, path):
    """No unbounded count, no DISTINCT of days; the first page is of the newest."""
    with CaptureQueriesContext(connection) as asked:
        boss.get(f"/admin/{path}/")
    told = [query["sql"] for query in asked if f'FROM "{path.replace("/", "_")}"' in query["sql"]]
    assert any("LIMIT" in sql and "COUNT" in sql for sql in told)
    assert all("LIMIT" in sql for sql in told if "COUNT(" in sql)
    assert not any("DISTINCT" in sql for sql in told)
    assert any(f'."{TIMES[path]}" DESC' in sql for sql in told)


def test_organizations_to_filter_by_while_they_are_few(boss, school, order, monkeypatch):
    other = make.organization(name="Ailleurs")
    make.order(organization=other)
    narrowed = {"organization__id__exact": school.organization.pk}
    assert "By organization" in boss.get("/admin/orders/order/").text
    monkeypatch.setattr("imager.accounts.admin.filters.MOST", 1)
    assert "By organization" not in boss.get("/admin/orders/order/").text
    assert found(boss, "orders/order", **narrowed) == {order.pk}
    chosen = boss.get("/admin/orders/order/", narrowed).text
    assert "By organization" in chosen
    assert f"organization__id__exact={other.pk}" not in chosen
    assert boss.get("/admin/orders/order/", {"organization__id__exact": "x"}, follow=True).status_code == 200
    assert not found(boss, "orders/order", organization__id__exact=10**6), "what is ignored shows all of them"
    nobodys = set(User.objects.filter(organization=None).values_list("pk", flat=True))
    assert found(boss, "accounts/user", organization__isnull="True") == nobodys


@pytest.mark.parametrize("path", [*TIMES, "tasks_app/attempt"])
def test_nothing_sought_is_everything(boss, order, path, monkeypatch):
    monkeypatch.setattr("imager.accounts.admin.units.MOST_ORGANIZATIONS", 0)
    monkeypatch.setattr("tasks_app.admin.finding.MOST_ORDERS", 0)
    assert found(boss, path)
    assert found(boss, path) == found(boss, path, q=" ")


def test_values_to_filter_by_are_known(boss, order):
    """Which there are is not looked up among all rows."""
    known = {"orders/order": ("failed_stage", "writing"), "tasks_app/attempt": ("outcome", "done")}
    for path, (field, value) in known.items():
        with CaptureQueriesContext(connection) as asked:
            answer = boss.get(f"/admin/{path}/", {field: value})
        assert not any(f'DISTINCT "{path.replace("/", "_")}"' in query["sql"] for query in asked)
        assert {getattr(row, field) for row in answer.context["cl"].result_list} <= {value}
    assert answer.context["cl"].result_list


def follow(client: Client, html: str, path: str, words: str):
    """The page behind the link of the calendar with these words."""
    (link,) = re.findall(rf'<a href="(\?[^"]+)"[^>]*>{words}</a>', html)
    answer = client.get(f"/admin/{path}/{unescape(link)}")
    assert answer.status_code == 200
    return answer


@pytest.mark.parametrize("path", TIMES)
def test_the_calendar(boss, order, path):
    now, all_of_them = datetime.now(tz=UTC), found(boss, path)
    year = follow(boss, boss.get(f"/admin/{path}/").text, path, str(now.year))
    assert {row.pk for row in year.context["cl"].result_list} == all_of_them
    assert "All dates" in year.text
    month = follow(boss, year.text, path, f"{now:%B} {now.year}")
    assert {row.pk for row in month.context["cl"].result_list} == all_of_them
    day = follow(boss, month.text, path, f"{now:%B} {now.day}")
    assert {row.pk for row in day.context["cl"].result_list} == all_of_them
    february = follow(boss, year.text, path, f"February {now.year}")
    assert not february.context["cl"].result_list or now.month == 2
    assert "February 28" in february.text
    assert "February 30" not in february.text
    assert "EXTRACT" not in str(day.context["cl"].queryset.query), "no index knows it"


@pytest.mark.parametrize(
    "junk",
    [
        {"gte": "x", "lt": "y"},
        {"gte": "2026-01-01T00:00Z"},
        {"gte": "9999-01-01T00:00:00+00:00", "lt": "2026-01-01T00:00Z"},
    ],
)
def test_times_that_are_none(boss, order, junk):
    query = {f"created_at__{side}": value for side, value in junk.items()}
    assert boss.get("/admin/orders/order/", query, follow=True).status_code == 200


def test_orders_are_found_as_on_their_page(boss, school, order):
    other = make.order(name="Elsewhere", created_by=school.member, recipient_email="x@post.example")
    assert found(boss, "orders/order", q="elsewhere") == {other.pk}
    assert found(boss, "orders/order", q="x@post") == {other.pk}
    assert found(boss, "orders/order", q="amina") == {order.pk, other.pk}
    assert found(boss, "orders/order", q=f"#{order.number}") == {order.pk}


def test_work_is_found_by_its_order_and_by_the_beginning_of_a_key(boss, order):
    make.task()
    mine = set(Task.objects.filter(order=order).values_list("pk", flat=True))
    for sought in (
        str(order.number),
        "library",
        str(order.pk),
        str(order.pk)[:8],
        str(order.pk)[:13].upper(),
    ):
        assert found(boss, "tasks_app/task", q=sought) == mine, sought
    task = Task.objects.get(order=order, kind="create")
    assert found(boss, "tasks_app/task", q=str(task.pk)[:8]) == {task.pk}
    digits = UUID("12345678-0000-4000-8000-000000000000")  # eight digits may be a number, too
    Task.objects.create(id=digits, order=make.order(), kind="create", channel=make.channel())
    assert found(boss, "tasks_app/task", q="12345678") == {digits}
    tries = set(Attempt.objects.filter(task=task).values_list("pk", flat=True))
    assert found(boss, "tasks_app/attempt", q=str(task.pk)) == tries
    assert found(boss, "tasks_app/attempt", q="library") == set(Attempt.objects.values_list("pk", flat=True))
    assert not found(boss, "tasks_app/task", q="nothing like it")


def test_what_a_number_means_is_not_drowned(boss, order, monkeypatch):
    """Newer orders whose names begin with the number of an older one."""
    monkeypatch.setattr("tasks_app.admin.finding.MOST_ORDERS", 1)
    named = {make.task(make.order(name=f"School {order.number}")).pk for _ in range(3)}
    mine = set(Task.objects.filter(order=order).values_list("pk", flat=True))
    assert found(boss, "tasks_app/task", q=f"#{order.number}") == mine
    assert found(boss, "tasks_app/task", q=str(order.number)) == mine | named
    assert (
        f"/admin/tasks_app/attempt/?q=%23{order.number}"
        in boss.get(f"/admin/orders/order/{order.pk}/change/").text
    )


def test_cards_are_found_by_serial_number_and_order(boss, order):
    card = Card.objects.get()
    for sought in (card.serial, card.serial[:-1], f" {card.serial} ", "library", str(order.pk)):
        assert found(boss, "tasks_app/card", q=sought) == {card.pk}, sought
    assert not found(boss, "tasks_app/card", q="zyzzyva")


def test_entries_of_units_are_found(boss, school, order):
    gift = UnitEntry.objects.get(kind="grant")
    costs = set(UnitEntry.objects.filter(order=order).values_list("pk", flat=True))
    assert found(boss, "accounts/unitentry", q="SPRING") == {gift.pk}
    assert found(boss, "accounts/unitentry", q=school.staff.email) == {gift.pk}
    assert found(boss, "accounts/unitentry", q=f"#{order.number}") == costs
    assert found(boss, "accounts/unitentry", q="école") == {gift.pk, *costs}
    UnitEntry.objects.filter(pk=gift.pk).update(note="invoice 20240117")
    assert found(boss, "accounts/unitentry", q="20240117") == {gift.pk}


def test_files_are_found(boss, order):
    files = StoredFile.objects.filter(owner=order.pk)
    keys = set(files.values_list("pk", flat=True))
    one = files.earliest("pk")
    assert found(boss, "warehouse/storedfile", q=str(order.pk)) == keys
    assert found(boss, "warehouse/storedfile", q=str(one.task)) == keys
    assert found(boss, "warehouse/storedfile", q=one.name) == {
        file.pk for file in files if file.name.startswith(one.name)
    }
    assert found(boss, "warehouse/storedfile", q=one.sha256.upper()) == keys
