"""Certificate, labels, the station's links and lots, and the statistics, before a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tasks_app.models import Slot
from tests import factories as make
from tests.browser.conftest import Enter, shoot
from workers.contract import Kind

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MM = 96 / 25.4  # CSS pixels
RESULT = {
    "written_bytes": 2_200_000_000,
    "write_rate": 21_500_000.0,
    "read_rate": 43_000_000.0,
    "read_back_sha256": "1f" * 32,
    "rewritten_ranges": 1,
    "write_latency": {"buckets": [0, 0, 0, 2, 9, 30, 130, 480, 90, 12, 3, 0, 1]},
}


@pytest.fixture
def card(school, line):
    """The first of two cards, verified; the second is being written."""
    order = school.place(quantity=2)
    line.build(order)
    order.tasks.filter(kind=Kind.CREATE).update(
        result={"image_size": 7_000_000_000, "image_sha256": "2e" * 32, "mapped_bytes": 2_200_000_000}
    )
    line.download(order)
    task = line.insert(order, 1)
    line.report(task, outcome="done", result=RESULT)
    line.insert(order, 2)
    return task.cards.get()


def test_whoever_scans_the_code_reads_the_certificate_on_a_phone(card, enter: Enter):
    page = enter(None, width=360)
    page.goto(f"/c/{card.certificate_key}")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Card {card.serial}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360, "nothing is wider than the phone"
    code = page.locator("img.qr")
    assert code.evaluate("image => image.complete && image.naturalWidth > 0")
    shoot(page, "certificate-phone")


def test_labels_come_on_paper_alone_and_in_their_size(card, line, school, enter: Enter):
    page = enter(school.staff)
    page.goto(f"/orders/{card.order_id}/labels/")
    shoot(page, "labels")
    page.emulate_media(media="print")
    for hidden in (".top", ".head", ".unprinted", ".foot"):
        expect(page.locator(hidden)).to_be_hidden()
    label = page.locator(".labels li")
    expect(label).to_contain_text(card.serial)
    box = label.bounding_box()
    assert box
    assert (round(box["width"] / MM), round(box["height"] / MM)) == (62, 29)
    assert label.evaluate("label => label.scrollHeight <= label.clientHeight"), "nothing is cut off"
    shoot(page, "labels-print")


def test_the_station_tells_links_and_takes_lots(card, line, school, enter: Enter):
    hub = [{"path": "1-1", "speed": 480.0}, {"path": "usb1", "speed": 480.0}]
    for number, slot in enumerate(Slot.objects.order_by("pk"), 1):
        bus = {"port": f"1-1.{number}", "speed": 480.0, "held_back": number == 1, "hubs": hub}
        Slot.objects.filter(pk=slot.pk).update(bus=bus)
    page = enter(school.staff)
    page.goto(f"/station/{line.writer.name}/")
    expect(page.locator("#tile-S0")).to_contain_text("Plug it into a USB 3 port")
    expect(page.locator("#tile-S1")).to_contain_text("shares a link of 480 Mb/s with S0")
    expect(page.locator("#tile-S1")).to_contain_text(re.compile("about . minutes left"))
    page.get_by_label("Brand and kind").fill("Fast 32 GB")
    page.get_by_label("Lot").fill("2026-10")
    page.get_by_role("button", name="Use these from now on").click()
    expect(page.locator("#messages")).to_contain_text("counted as Fast 32 GB 2026-10")
    shoot(page, "station-links")


@pytest.mark.parametrize("width", [1280, 360])
def test_statistics(card, line, school, enter: Enter, width: int):
    make.slot(line.writer, "idle")
    page = enter(school.staff, width=width)
    page.goto("/staff/cards/")
    expect(page.get_by_role("heading", name="By brand and lot")).to_be_visible()
    assert page.locator("svg.latency rect").count() > 10
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shoot(page, f"statistics-{width}")
