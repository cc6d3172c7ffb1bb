"""The station in a browser: polled, but never under the operator's thumb."""

from __future__ import annotations

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from tasks_app import services as tasks
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Host, Slot
from tests import factories as make
from tests.browser.conftest import shoot
from workers.contract import Kind, Step

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def order(school, line):
    placed = school.place(quantity=4)
    line.build(placed)
    line.download(placed)
    Host.objects.update(last_seen_at=timezone.now())
    return placed


def polled(page, times: int = 2) -> None:
    """Wait until the page has asked for the tiles that often."""
    for _ in range(times):
        with page.expect_response(lambda answer: "/station/" in answer.url and answer.status == 200):
            pass


def test_a_button_that_is_half_pressed_stays(enter, school, line, order):
    make.slot(line.writer, "A", contents="photos")
    other = make.slot(line.writer, "B", present=False, diskseq=None)
    page = enter(school.staff, width=390)
    page.goto(f"/station/{line.writer.name}/")
    box = page.locator("#tile-A button").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    Slot.objects.filter(pk=other.pk).update(present=True, diskseq=4711, contents="music")
    expect(page.locator("#tile-B")).to_contain_text("music")
    polled(page)
    page.mouse.up()
    expect(page.locator("#messages")).to_contain_text("will be wiped and written")
    task = order.tasks.get(kind=Kind.WRITE, status=TaskStatus.QUEUED)
    assert task.slot.name == "A"


def test_the_focus_stays_while_other_tiles_change(enter, school, line, order):
    make.slot(line.writer, "A", contents="photos")
    task = line.insert(order, 1)
    page = enter(school.staff)
    page.goto(f"/station/{line.writer.name}/")
    page.focus("#tile-A button")
    for done in (100, 200):
        progress = {"done": done, "total": 1000, "rate": 50.0, "eta": 16.0}
        tasks.report(task.pk, line.writer, make.report_body(1, step=Step.WRITING.value, progress=progress))
        expect(page.locator(f"#tile-{task.slot.name} .percent")).to_have_text(f"{done // 10} %")
    assert page.evaluate("document.activeElement.closest('.tile').id") == "tile-A"


def test_another_card_takes_the_button_away_and_is_shown_anew(enter, school, line, order):
    slot = make.slot(line.writer, "A", contents="photos")
    page = enter(school.staff)
    page.goto(f"/station/{line.writer.name}/")
    Slot.objects.filter(pk=slot.pk).update(diskseq=slot.diskseq + 1, contents="a thesis")
    expect(page.locator("#tile-A")).to_contain_text("a thesis")
    page.click("#tile-A button")
    expect(page.locator("#messages")).to_contain_text("will be wiped")
    assert order.tasks.get(status=TaskStatus.QUEUED).confirmed_diskseq == slot.diskseq + 1


def test_changes_are_told_to_those_who_listen(enter, school, line, order):
    slot = make.slot(line.writer, "A", present=False, diskseq=None)
    page = enter(school.staff)
    page.goto(f"/station/{line.writer.name}/")
    expect(page.locator("#announcer")).to_have_text("")
    Slot.objects.filter(pk=slot.pk).update(present=True, diskseq=9, contents="photos")
    expect(page.locator("#announcer")).to_have_text("A: Erase this card?")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_pictures_of_all_tiles(enter, school, line, order, width, scheme):
    done, running = line.write(order, 1), line.insert(order, 2)
    progress = {"done": 440, "total": 1000, "rate": 18e6, "eta": 282.0}
    tasks.report(running.pk, line.writer, make.report_body(1, step=Step.WRITING.value, progress=progress))
    bad = line.insert(order, 3)
    line.report(bad, outcome="failed", trouble={"fault": "card", "code": "bad", "message": "Lost 3 blocks."})
    make.slot(line.writer, "X", contents="2 partitions, 14.8 GB in use", model="Genesys USB3 reader")
    make.slot(line.writer, "Y", present=False, diskseq=None)
    make.slot(line.writer, "Z", problem="The card is write-protected: slide its lock to the other side.")
    page = enter(school.staff, width=width, scheme=scheme)
    page.goto(f"/station/{line.writer.name}/")
    expect(page.locator(f"#tile-{done.slot.name}")).to_contain_text("Done")
    for button in page.locator(".tile button").all():
        assert button.bounding_box()["height"] >= 44  # a thumb, WCAG 2.5.5
    shoot(page, f"station-{scheme}-{width}")
