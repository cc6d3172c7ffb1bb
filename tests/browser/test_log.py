"""The log of an attempt in a browser: lines arrive while the page is open; it reads without JavaScript."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tasks_app import services as tasks
from tasks_app.models import Attempt, Task
from tests import factories as make
from tests.browser.conftest import shoot
from workers.contract import Kind

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SCROLLED = "log => Math.round(log.scrollHeight - log.clientHeight - log.scrollTop)"


@pytest.fixture
def task(school, line) -> Task:
    return line.claim(line.task(school.place(), Kind.CREATE))


def say(task: Task, text: str) -> None:
    log = {"offset": Attempt.objects.get(task=task).log_end, "text": text}
    assert tasks.report(task.pk, task.host, make.report_body(attempt=task.attempt, log=log)) == "go"


def address(task: Task) -> str:
    return f"/staff/tasks/{task.pk}/attempts/{task.attempt}/log/"


def polled(page: Page) -> None:
    with page.expect_response(lambda answer: "since=" in answer.url and answer.status == 200):
        pass


def test_lines_arrive_while_the_page_is_open_until_the_end(enter, school, line, task):
    say(task, "fetching \x1b[32mthe base\x1b[0m\n")
    page = enter(school.staff)
    page.goto(address(task))
    log, asked = page.locator("#log"), []
    expect(log).to_have_text("fetching the base")
    page.on("response", lambda answer: asked.append(answer))  # noqa: PLW0108 - a method of C is no handler
    for number in range(3):
        say(task, f"\x1b[31mline {number}\x1b[0m\n")
        expect(log).to_contain_text(f"line {number}")
    assert log.inner_text().split("\n")[:4] == ["fetching the base", "line 0", "line 1", "line 2"]
    assert page.locator("#log .ansi-fg-1").count() == 3
    assert all("since=" in answer.url for answer in asked)
    assert not any("fetching" in answer.text() for answer in asked)
    shoot(page, "log-following")
    line.fail(task)
    expect(log).to_contain_text("[end of the log]")
    expect(page.locator("#announcer")).to_have_text("[end of the log]")
    expect(page.locator("[hx-get]")).to_have_count(0)


def test_who_reads_the_end_stays_there_and_who_reads_above_is_left_alone(enter, school, task):
    say(task, "".join(f"line {number}\n" for number in range(300)))
    page = enter(school.staff)
    page.goto(address(task))
    log = page.locator("#log")
    assert log.evaluate(SCROLLED) <= 1
    say(task, "more\n" * 50 + "and more\n")
    expect(log).to_contain_text("and more")
    assert log.evaluate(SCROLLED) <= 1
    log.evaluate("log => { log.scrollTop = 100; }")
    say(task, "most\n" * 50 + "the most\n")
    expect(log).to_contain_text("the most")
    assert log.evaluate("log => log.scrollTop") == 100


def test_it_can_be_stopped(enter, school, task):
    say(task, "one\n")
    page = enter(school.staff, width=390)
    page.goto(address(task))
    polled(page)
    page.get_by_role("link", name="Stop following").click()
    say(task, "two\n")
    assert page.locator("[hx-get], noscript").count() == 0
    expect(page.locator("#log")).to_have_text("one")
    page.get_by_role("link", name="Follow", exact=True).click()
    expect(page.locator("#log")).to_contain_text("two")
    polled(page)


def test_it_is_a_file_of_text(enter, school, task):
    say(task, "\x1b[31mé\x1b[0m\n")
    page = enter(school.staff)
    page.goto(address(task))
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as text").click()
    assert download.value.suggested_filename == f"{task.pk}-1.log.txt"
    assert download.value.path().read_text() == "\x1b[31mé\x1b[0m\n"


def test_without_javascript_the_page_shows_the_log_and_comes_again_by_itself(enter, school, task):
    say(task, "first \x1b[32mgreen\x1b[0m\n")
    page = enter(school.staff, javascript=False, width=390)
    page.goto(address(task))
    expect(page.locator("#log")).to_have_text("first green")
    assert page.locator("#log .ansi-fg-2").inner_text() == "green"
    say(task, "second\n")
    with page.expect_navigation(timeout=30_000):  # the page asks for itself every ten seconds
        pass
    expect(page.locator("#log")).to_contain_text("second")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_live_region_for_those_who_do_not_see(enter, school, task, scheme):
    """Lines are not read aloud one by one, the end is; the log has a name and scrolls by keyboard."""
    say(task, "".join(f"\x1b[3{number % 8}mline {number}\x1b[0m\n" for number in range(100)))
    page = enter(school.staff, scheme=scheme, width=390)
    page.goto(address(task))
    log = page.get_by_role("log", name="Log")
    assert (log.get_attribute("aria-live"), log.get_attribute("tabindex")) == ("off", "0")
    assert page.locator("#announcer").get_attribute("aria-live") == "polite"
    before = log.evaluate("log => log.scrollTop")
    log.focus()
    page.keyboard.press("PageUp")
    page.wait_for_function("before => document.getElementById('log').scrollTop < before", arg=before)
    polled(page)
    assert page.evaluate("document.activeElement.id") == "log"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shoot(page, f"log-390-{scheme}")
