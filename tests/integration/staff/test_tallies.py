"""Figures of many rows: the server's worker counts them, each hour anew, and nobody waits for it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client

from imager import clock
from orders import figures
from tasks_app import outbox, statistics, tallies
from tasks_app.models import Outbox
from tests import factories as make
from tests.integration.pages.conftest import Page

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(school) -> Client:
    client = Client()
    client.force_login(school.staff)
    return client


@pytest.fixture
def large(monkeypatch) -> None:
    """As if any number were large."""
    monkeypatch.setattr(figures, "AT_ONCE", -1)
    monkeypatch.setattr(statistics, "AT_ONCE", -1)


def work(capture) -> None:
    """What the server's worker does."""
    with capture(execute=True):
        for entry in Outbox.objects.filter(kind=tallies.WORK, sent_at=None):
            assert outbox.deliver(entry.pk)


PAGES = ["/staff/statistics/", "/staff/cards/"]


@pytest.mark.parametrize("url", PAGES)
def test_few_rows_are_counted_at_once(boss, school, line, url):
    line.fail(line.claim(make.task(school.place())))
    assert "being counted" not in boss.get(url).text
    assert not Outbox.objects.filter(kind=tallies.WORK).exists()


@pytest.mark.parametrize("url", PAGES)
def test_many_are_counted_behind_the_scenes(
    boss, school, line, large, url, django_capture_on_commit_callbacks
):
    order = school.place()
    line.build(order)
    line.download(order)
    line.write(order, 1)
    first = Page(boss.get(url).text)
    assert "being counted" in first.words
    assert first.all("a", href=url), "without JavaScript there must be a way to look again"
    boss.get(url)
    assert Outbox.objects.filter(kind=tallies.WORK).count() == 1
    work(django_capture_on_commit_callbacks)
    answer = boss.get(url)
    assert "being counted" not in answer.text
    assert "Counted" in Page(answer.text).words
    assert line.writer.name in answer.text


def test_each_range_has_its_own(boss, school, large, django_capture_on_commit_callbacks):
    school.place()
    boss.get("/staff/statistics/")
    work(django_capture_on_commit_callbacks)
    assert "being counted" in boss.get("/staff/statistics/?since=2020-01-01&until=2022-12-31").text


def test_what_is_an_hour_old_is_shown_and_renewed(django_capture_on_commit_callbacks):
    counted = iter(range(9))
    tallies.serve("test", lambda *_: next(counted))
    assert tallies.look("test", "x").value is None
    work(django_capture_on_commit_callbacks)
    kept = tallies.look("test", "x")
    assert kept.value == 0
    assert not Outbox.objects.filter(sent_at=None).exists()
    old = clock.now() - timedelta(hours=1, seconds=1)
    cache.set(tallies._key("test", ("x",)), (0, old))
    Outbox.objects.all().delete()  # those of the hour before
    assert tallies.look("test", "x") == tallies.Tally(0, old)
    work(django_capture_on_commit_callbacks)
    assert tallies.look("test", "x").value == 1


def test_a_count_that_never_ended_is_asked_for_again(monkeypatch):
    """Its worker was killed, say: nobody waits for the next hour."""
    tallies.serve("test", lambda *_: 1)
    at = clock.now().replace(minute=2)
    for minute in (2, 4, 7):
        monkeypatch.setattr("imager.clock.now", lambda minute=minute: at.replace(minute=minute))
        tallies.look("test", "x")
    assert Outbox.objects.filter(kind=tallies.WORK).count() == 2


def test_what_is_looked_at_each_hour_is_counted_each_hour(monkeypatch):
    """Though the count began some seconds after the hour had."""
    tallies.serve("test", lambda *_: 1)
    at = clock.now().replace(minute=0, second=0)
    cache.set(tallies._key("test", ("x",)), (0, at + timedelta(seconds=31)))
    monkeypatch.setattr("imager.clock.now", lambda: at + timedelta(hours=1))
    tallies.look("test", "x")
    assert Outbox.objects.filter(kind=tallies.WORK).count() == 1


def test_what_pages_show_first_is_counted_before_somebody_comes(school, line, large):
    order = school.place()
    line.build(order)
    line.download(order)
    line.write(order, 1)
    figures.foresee()
    statistics.foresee()
    asked = Outbox.objects.filter(kind=tallies.WORK).values_list("payload__name", flat=True)
    assert set(asked) == {figures.TALLY, statistics.TALLY}


def test_counting_may_take_longer_than_pages_may(db):
    limits = []

    def count() -> int:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            limits.append(cursor.fetchone()[0])
        return 1

    tallies.serve("test", count)
    tallies.count({"name": "test", "arguments": []})
    assert limits == [tallies.LIMIT]
