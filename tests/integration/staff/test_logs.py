"""Logs: followed piece by piece, coloured, harmless, and for staff alone."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tasks_app import logbook
from tasks_app import services as tasks
from tasks_app.models import Attempt, Task
from tasks_app.services import logs
from tests import factories as make
from tests.integration.pages.conftest import HTMX, Page
from workers.contract import Kind


@pytest.fixture
def task(school, line) -> Task:
    """A build that is running."""
    return line.claim(line.task(school.place(), Kind.CREATE))


def bound(monkeypatch, *, head: int, tail: int) -> None:
    for name, value in {"HEAD": head, "TAIL": tail, "MAX_LOG_KEPT": head + tail}.items():
        monkeypatch.setattr(logs, name, value)


def url(task: Task, attempt: int = 1) -> str:
    return f"/staff/tasks/{task.pk}/attempts/{attempt}/log/"


def say(task: Task, text: str) -> None:
    """The host sends a piece of log, after those before."""
    offset = Attempt.objects.get(task=task, attempt=task.attempt).log_end
    log = {"offset": offset, "text": text}
    assert tasks.report(task.pk, task.host, make.report_body(attempt=task.attempt, log=log)) == "go"


def shown(page: Page) -> str:
    """The text in the log itself, with its line ends."""
    return "".join(Page("<pre" + page.html.split("<pre")[1].split("</pre>")[0] + "</pre>").texts)


def test_colours_and_line_ends(staff, task):
    say(task, "\x1b[32mfetched\x1b[0m a <b> & c\nnext\n")
    page = Page(staff.get(url(task)).text)
    assert shown(page) == "fetched a <b> & c\nnext\n"
    assert page.all("span", class_="ansi-fg-2")
    assert not page.all("b", class_="")
    assert not any("style" in attrs for _, attrs in page.tags)


@pytest.mark.parametrize(
    "junk",
    [
        "<script>alert(1)</script>",
        "</pre><script>alert(1)</script>",
        "\x1b]0;<script>alert(1)</script>\x07",
        "\x1b[31m</span><img src=x onerror=alert(1)>",
        '\x1b["><script>alert(1)</script>',
        "\x1b]8;;javascript:alert(1)\x07click\x1b]8;;\x07",
        "{% load x %}{{ secret }}",
    ],
)
def test_a_log_cannot_do_anything(staff, task, junk):
    scripts = len(Page(staff.get(url(task)).text).all("script"))
    say(task, junk)
    for headers in ({}, HTMX):
        page = Page(staff.get(url(task), headers=headers).text)
        assert len(page.all("script")) == (0 if headers else scripts)
        assert not [tag for tag, attrs in page.tags if any(name.startswith("on") for name in attrs)]
        assert not [a for a in page.all("a") if "javascript" in (a.get("href") or "")]
        assert not [image for image in page.all("img") if image.get("src") == "x"]


def follow(staff, page: Page) -> Page:
    """What htmx gets when the tail of that page asks for more."""
    address = page.by_id("log-tail")["hx-get"]
    assert address is not None
    return Page(staff.get(address, headers=HTMX).text)


def test_it_follows_and_only_what_is_new_travels(staff, task):
    say(task, "\x1b[31mred, ")
    first = Page(staff.get(url(task)).text)
    assert first.by_id("log-tail")["hx-trigger"] == "every 2s"
    nothing = follow(staff, first)
    assert nothing.words == ""
    assert nothing.html == follow(staff, first).html
    say(task, "still red\x1b[0m, plain \x1b[3")
    second = follow(staff, first)
    assert second.words == "still red , plain"
    assert second.all("span", class_="ansi-fg-1")
    say(task, "2mgreen\n")
    third = follow(staff, second)
    assert third.words == "green"
    assert third.all("span", class_="ansi-fg-2")
    assert follow(staff, third).words == ""


def test_it_stops_when_the_attempt_is_over(staff, task, line):
    say(task, "begun\n")
    page = Page(staff.get(url(task)).text)
    assert page.all("noscript")
    line.fail(task, "The <base> is missing.")
    rest = follow(staff, page)
    assert rest.words == "[end of the log]"
    assert "hx-get" not in rest.by_id("log-tail")
    whole = Page(staff.get(url(task)).text)
    assert not whole.all("noscript")
    assert "The <base> is missing." in whole.words


def test_a_log_that_is_cut_in_its_middle_goes_on(staff, task, monkeypatch):
    bound(monkeypatch, head=100, tail=200)
    say(task, "a" * 300)
    page = Page(staff.get(url(task)).text)
    say(task, "b" * 200)
    assert follow(staff, page).words == "b" * 200
    page = follow(staff, page)
    say(task, "end\n")
    assert follow(staff, page).words == "end"


def test_a_long_log_shows_its_end_and_the_file_holds_all(staff, task, monkeypatch):
    monkeypatch.setattr(logbook, "SHOWN", 1000)
    for text in ("first line\n", "x" * 995, "\nlast line\n"):
        say(task, text)
    page = Page(staff.get(url(task)).text)
    assert "first line" not in page.words
    assert shown(page) == "x" * 989 + "\nlast line\n"
    assert "This is the end of a long log." in page.words
    assert staff.get(url(task), {"raw": 1}).content.decode() == "first line\n" + "x" * 995 + "\nlast line\n"


def test_following_reads_only_what_is_new(staff, task):
    say(task, "x" * 50_000)
    page = Page(staff.get(url(task)).text)
    say(task, "new")
    with CaptureQueriesContext(connection) as queries:
        assert follow(staff, page).words == "new"
    [asked] = [query["sql"] for query in queries if 'FROM "tasks_app_logpiece"' in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(asked)
        assert cursor.rowcount == 1


def test_it_can_be_looked_at_standing_still(staff, task):
    say(task, "words\n")
    page = Page(staff.get(url(task), {"still": "1"}).text)
    assert "words" in page.words
    assert not page.all("noscript")
    assert "hx-get" not in page.by_id("log-tail")
    assert page.all("a", href=url(task))
    assert not Page(staff.get(url(task)).text).all("a", href=url(task))


def test_the_file(staff, task):
    say(task, "\x1b[31mé <b>\n")
    answer = staff.get(url(task), {"raw": "1"})
    assert answer.content.decode() == "\x1b[31mé <b>\n"
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"] == f'attachment; filename="{task.pk}-1.log.txt"'


@pytest.mark.parametrize("query", ["", "?raw=1", "?since=0"])
def test_it_is_for_staff_alone(query, task, member, browse, stranger, line):
    address = url(task) + query
    assert member.get(address).status_code == 403
    assert browse(stranger).get(address).status_code == 403
    assert browse(None).get(address).status_code == 302
    assert browse(line.creator.account).get(address).status_code == 302
    assert member.get(address, headers=HTMX).status_code == 403


@pytest.mark.parametrize("query", ["", "?raw=1", "?since=5"])
@pytest.mark.parametrize("attempt", [0, 2, 2**31, 10**30])
def test_attempts_that_are_not_there(staff, task, attempt, query):
    assert staff.get(url(task, attempt) + query).status_code == 404
    assert staff.get(f"/staff/tasks/{uuid.uuid4()}/attempts/1/log/{query}").status_code == 404


@pytest.mark.parametrize("since", ["-1", "x", "9" * 30, "999999999999999", "1e3", "", "\u0661"])
@pytest.mark.parametrize("style", ["<script>", "31", "1;1;1"])
def test_questions_that_make_no_sense(staff, task, since, style):
    say(task, "words")
    answer = staff.get(url(task), {"since": since, "style": style}, headers=HTMX)
    assert answer.status_code == 200
    assert Page(answer.text).words in {"", "words"}
    assert "<script>" not in answer.text


def test_nothing_is_changed_by_post(staff, task):
    assert staff.post(url(task)).status_code == 405


def test_staff_find_it_and_members_do_not(staff, member, task, line):
    page = f"/orders/{task.order_id}/"
    assert Page(staff.get(page).text).all("a", href=url(task))
    assert "/log/" not in member.get(page).text
    assert Page(staff.get(f"/admin/tasks_app/task/{task.pk}/change/").text).all("a", href=url(task))
    assert Page(staff.get("/admin/tasks_app/attempt/").text).all("a", href=url(task))
    attempt = Attempt.objects.get(task=task)
    say(task, "a canary of the log")
    admin = staff.get(f"/admin/tasks_app/attempt/{attempt.pk}/change/").text
    assert "canary" not in admin
    assert url(task) in admin


def test_other_attempts_are_a_click_away(staff, task, line):
    assert not Page(staff.get(url(task)).text).all("nav", class_="attempts")
    tasks.release(task.pk, line.creator, event_id=uuid.uuid4(), attempt=1)
    line.claim(task)
    page = Page(staff.get(url(task, 2)).text)
    assert page.all("a", href=url(task, 1))
    assert page.all("a", href=url(task, 2))[0].get("aria-current") == "page"


def test_queries(staff, task, django_assert_num_queries):
    say(task, "x")
    say(task, "y")
    with django_assert_num_queries(5):  # session, user, attempt, pieces, its siblings
        staff.get(url(task))
    with django_assert_num_queries(4):
        staff.get(url(task), headers=HTMX)
