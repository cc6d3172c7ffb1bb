"""Figures of orders, cards and hosts, drawn and told."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db.models import F
from django.test import Client
from django.utils import translation

from imager import clock
from orders import charts
from orders.figures import Range, figures
from orders.models import Order, OrderMove
from tasks_app.models import Attempt
from tests import factories as make
from tests.integration.pages.conftest import Page
from workers.contract import Kind

pytestmark = pytest.mark.django_db

AUGUST = datetime(2026, 8, 15, 12, tzinfo=UTC)
YEAR = Range(date(2026, 1, 1), date(2026, 12, 31))


@pytest.fixture
def past(school, line) -> list[Order]:
    """In August two cards, one of them written; in September a download whose building failed."""
    august, september = school.place(quantity=2), school.place(kind="virtual")
    line.build(august)
    line.download(august)
    line.write(august, 1)
    line.fail(line.claim(line.task(september, Kind.CREATE)))
    for order, month in ((august, 0), (september, 31)):
        at = AUGUST + timedelta(days=month)
        Order.objects.filter(pk=order.pk).update(created_at=at)
        for hours, move in enumerate(order.moves.order_by("pk")):
            OrderMove.objects.filter(pk=move.pk).update(at=at + timedelta(hours=hours**2))
        Attempt.objects.filter(task__order=order).update(started_at=at, ended_at=at + timedelta(hours=2))
    Attempt.objects.filter(task__order=august, task__kind="write").update(ended_at=F("started_at"))
    return [august, september]


def test_months(past):
    months = {month.month: month for month in figures(YEAR).months}
    assert len(months) == 12
    one = months[date(2026, 8, 1)]
    assert (one.orders, one.downloads, one.failed, one.accepted, one.bad, one.bytes) == (
        1,
        0,
        0,
        1,
        0,
        2_000_000,
    )
    other = months[date(2026, 9, 1)]
    assert (other.orders, other.downloads, other.failed, other.accepted) == (1, 1, 1, 0)
    assert months[date(2026, 10, 1)].orders == 0


def test_only_the_range_counts(past):
    found = figures(Range(date(2026, 9, 1), date(2026, 9, 30)))
    assert found.statuses == {"failed": 1}
    assert len(found.months) == 1
    assert figures(Range(date(2026, 8, 15), date(2026, 8, 15))).statuses == {"writing": 1}
    assert not figures(Range(date(2026, 8, 16), date(2026, 8, 31))).statuses


def test_stages_and_how_long_orders_stay(past):
    stays = {stay.stage: stay for stay in figures(YEAR).stays}
    # moves come 0, 1, 4, 9 hours after the order: an hour placed, three creating, five downloading
    assert (stays["placed"].count, stays["placed"].p50) == (2, 3600.0)
    assert stays["downloading"].p50 == 5 * 3600
    assert list(stays) == ["placed", "creating", "downloading"]  # in the order of work; writing has not ended
    assert stays["creating"].p95 >= stays["creating"].p50


def test_causes_and_hosts(past, line):
    found = figures(YEAR)
    assert [(cause.kind, cause.fault, cause.code, cause.count) for cause in found.causes] == [
        ("create", "job", "broken", 1)
    ]
    use = {host.host: host for host in found.hosts}
    assert (use[line.creator.name].attempts, use[line.creator.name].done, use[line.creator.name].hours) == (
        2,
        1,
        4.0,
    )
    assert use[line.writer.name].hours == 2.0


@pytest.mark.parametrize("many", [1, 3])
def test_six_questions_however_many_orders(school, line, many, django_assert_num_queries):
    for _ in range(many):
        line.build(school.place())
    today = clock.now().date()
    with django_assert_num_queries(6):
        figures(Range(today, today + timedelta(days=1)))


def test_ranges_end():
    with pytest.raises(ValidationError, match="comes after"):
        Range(date(2026, 2, 1), date(2026, 1, 1))
    with pytest.raises(ValidationError, match="At most"):
        Range(date(1990, 1, 1), date(2026, 1, 1))


def browse(who, query: str = ""):
    client = Client()
    client.force_login(who)
    return client.get(f"/staff/statistics/{query}")


def test_the_page_draws_and_tells(past):
    answer = browse(make.clerk("operator"), "?since=2026-01-01&until=2026-12-31")
    page = Page(answer.content.decode())
    assert answer.status_code == 200
    assert len([tag for tag, _ in page.tags if tag == "svg" and dict(_).get("role") == "img"]) == 7
    for words in ("August 2026", "creator", "broken", "creating the image", "1 h 0 min"):
        assert words in page.words
    assert "style=" not in page.html
    heights = [float(dict(a)["height"]) for tag, a in page.tags if tag == "rect"]
    assert max(heights) > 100


@pytest.mark.parametrize(
    "query",
    [
        "?since=x&until=y",
        "?since=2026-02-01&until=2026-01-01",
        "?since=0001-01-01&until=9999-12-31",
        "?since=2026-01-01",
    ],
)
def test_ranges_that_are_none(school, query):
    answer = browse(school.staff, query)
    assert answer.status_code == 422
    assert "errorlist" in answer.content.decode()


def test_nothing_yet(school):
    assert (
        "Nothing was ordered" in browse(school.staff, "?since=2020-01-01&until=2020-02-01").content.decode()
    )


@pytest.mark.parametrize("who", ["member", "nobody"])
def test_not_for(school, who):
    assert browse(school.member if who == "member" else make.user(role="staff")).status_code == 403


NO_DAY = "is no day of the calendar: write it as YYYY-MM-DD, for example 2026-03-31."


def report(*args: str) -> str:
    out = io.StringIO()
    call_command("order_report", "--since", "2026-01-01", "--until", "2026-12-31", *args, stdout=out)
    return out.getvalue()


def test_the_report(past, line):
    text = report()
    for words in ("2026-08", "broken", line.writer.name, "downloading"):
        assert words in text
    told = json.loads(report("--format", "json"))
    assert told["statuses"] == {"writing": 1, "failed": 1}
    table = list(csv.DictReader(io.StringIO(report("--format", "csv", "--part", "hosts"))))
    assert {row["host"] for row in table} == {line.creator.name, line.writer.name}


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (
            ["--since", "x"],
            f"Error: argument --since: “x” {NO_DAY}",
        ),
        (
            ["--until", "2026-02-30"],
            f"Error: argument --until: “2026-02-30” {NO_DAY}",
        ),
        (
            ["--since", "2026-02-01", "--until", "2026-01-01"],
            "The first day, 2026-02-01, comes after the last one, 2026-01-01: choose an earlier one.",
        ),
        (
            ["--since", "2020-01-01", "--until", "2026-01-01"],
            "At most 1098 days at a time: choose days that lie nearer together.",
        ),
        (
            ["--since", "9999-01-01", "--until", "9999-12-31"],
            "Choose days from 1900-01-01 to 9999-12-29.",
        ),
    ],
)
def test_days_that_the_report_refuses(db, asked, sentence):
    with pytest.raises(CommandError) as refused:
        call_command("order_report", *asked)
    assert str(refused.value) == sentence


def test_a_chart_of_nothing_and_of_one():
    assert charts.columns("x", [], [[]], []).bars == []
    one = charts.columns("x", ["a", "b"], [[1, 2], [0, 2]], ["p", "q"])
    assert [(bar.tone, bar.height) for bar in one.bars] == [(1, 45.5), (1, 91.0), (2, 91.0)]
    assert one.bars[2].y + one.bars[2].height == one.bars[1].y  # stands upon the other
    assert charts.rows("x", [], [[]], [], []).bars == []
    assert charts.rows("x", ["a" * 37, "a" * 38], [[1, 1]], ["", ""], []).texts[::2] == [
        charts.Text(262, 17, "a" * 37, "end"),
        charts.Text(262, 43, "a" * 36 + "…", "end"),
    ]


def test_figures_in_charts_are_written_as_the_language_has_it():
    highest = [[0.003], [5], [5.0], [1_234_567]]
    with translation.override("fr"):
        words = [charts.columns("x", ["a"], [series], []).texts[-1].words for series in highest]
    assert words == ["0,003", "5", "5", "1\N{NO-BREAK SPACE}234\N{NO-BREAK SPACE}567"]
