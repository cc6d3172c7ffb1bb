"""A card's certificate, for whoever scans its code; and its label, for staff."""

from __future__ import annotations

import re

import pytest
import qrcode

from tasks_app.models import Card
from tests.integration.orders.conftest import api
from tests.integration.pages.conftest import Page
from workers.contract import Kind

__all__ = ["api"]

READ_BACK, IMAGE, MANIFEST = "11" * 32, "22" * 32, "cd" * 32
RESULT = {
    "slot": "A",
    "written_bytes": 900_000,
    "write_rate": 21_500_000.0,
    "read_rate": 43_000_000.0,
    "read_back_sha256": READ_BACK,
    "rewritten_ranges": 2,
    "device": {"node": "/dev/sdq", "place": "/sys/devices/canary", "serial": "canary-serial"},
}


@pytest.fixture
def order(school, line):
    """Two cards: the first is verified, the second waits."""
    placed = school.place(quantity=2)
    line.build(placed)
    placed.tasks.filter(kind=Kind.CREATE).update(result={"image_size": 1_000_000, "image_sha256": IMAGE})
    line.download(placed)
    return placed


@pytest.fixture
def card(order, line) -> Card:
    task = line.insert(order, 1)
    line.report(task, outcome="done", result=RESULT)
    return task.cards.get()


@pytest.fixture
def nobody(browse):
    return browse(None)


def test_whoever_scans_it_reads_what_is_on_the_card_and_what_was_proved(card, nobody):
    answer = nobody.get(f"/c/{card.certificate_key}")
    assert answer.status_code == 200
    words = Page(answer.text).words
    assert f"Card {card.serial}" in words
    assert "was read back from the card itself, and is right" in words
    assert "Wikipedia 1.0 MB" in words
    assert "Gutenberg 1.0 MB" in words
    assert all(digest in words for digest in (READ_BACK, IMAGE, MANIFEST))
    assert "21.5 MB/s" in words
    assert "43.0 MB/s" in words
    assert "2 ranges, then right" in words
    assert "1 of 2" in words
    assert "8GB microSD" in words


def test_it_tells_no_people_no_machines_no_passwords(card, nobody, school, line):
    text = nobody.get(f"/c/{card.certificate_key}").text
    private = [
        "Library", "École", "Awa", "Bamako", "Rue 17", "example.org", "canary", "Kiwix Hotspot",
        line.writer.name, line.creator.name, card.slot.name, "/dev/", str(card.order_id), str(card.task_id),
    ]  # fmt: skip
    assert [word for word in private if word in text] == []


def test_search_engines_are_asked_to_leave_it(card, nobody):
    answer = nobody.get(f"/c/{card.certificate_key}")
    assert answer["X-Robots-Tag"] == "noindex"
    assert "noindex" in Page(answer.text).all("meta", name="robots")[0]["content"]


@pytest.mark.parametrize("verdict", ["writing", "bad", "abandoned"])
def test_only_a_verified_card_has_one(card, nobody, verdict):
    Card.objects.update(verdict=verdict)
    assert nobody.get(f"/c/{card.certificate_key}").status_code == 404
    assert nobody.get(f"/c/{card.certificate_key}/code.svg").status_code == 404


@pytest.mark.parametrize("serial", ["0-00-0-0", "x", "%00", "' OR 1=1", "a" * 300])
def test_a_number_of_no_card_is_not_found(nobody, db, serial):
    assert nobody.get(f"/c/{serial}").status_code == 404


def test_it_is_read_and_never_written(card, nobody):
    assert nobody.post(f"/c/{card.certificate_key}").status_code == 405


def test_what_a_host_told_is_shown_only_if_it_is_a_digest(order, line, nobody):
    task = line.insert(order, 1)
    odd = {**RESULT, "read_back_sha256": "<b>no</b>", "rewritten_ranges": "many", "write_rate": "fast"}
    line.report(task, outcome="done", result=odd)
    text = nobody.get(f"/c/{task.cards.get().certificate_key}").text
    assert "told no digest" in Page(text).words
    assert "no&lt;/b" not in text
    assert "many" not in text


def test_in_french(card, nobody):
    words = Page(nobody.get(f"/c/{card.certificate_key}", headers={"Accept-Language": "fr"}).text).words
    assert f"Carte {card.serial}" in words
    assert "a été relu sur la carte elle-même" in words
    assert "2 plages, puis justes" in words


def test_it_costs_the_same_however_many_cards_there_are(card, nobody, order, line, django_assert_num_queries):
    with django_assert_num_queries(2):
        nobody.get(f"/c/{card.certificate_key}")
    line.write(order, 2)
    with django_assert_num_queries(2):
        nobody.get(f"/c/{card.certificate_key}")


def dots(svg: str) -> list[list[bool]]:
    """The dark modules of the drawing, with four light ones around."""
    size = int(re.search(r'viewBox="0 0 (\d+) \d+"', svg)[1])
    found = [[False] * size for _ in range(size)]
    for x, y in re.findall(r"M(\d+),(\d+)H", svg):
        found[int(y)][int(x)] = True
    return found


def test_the_code_leads_to_the_page(card, nobody, settings):
    settings.PUBLIC_URL = "https://imager.example.org"
    answer = nobody.get(f"/c/{card.certificate_key}/code.svg")
    assert answer["Content-Type"] == "image/svg+xml"
    assert "max-age" in answer["Cache-Control"]
    wanted = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_M)
    wanted.add_data(f"https://imager.example.org/c/{card.certificate_key}")
    assert dots(answer.text) == [[bool(dot) for dot in row] for row in wanted.get_matrix()]
    assert card.order.name not in answer.text


class TestLabels:
    def test_one_for_each_verified_card(self, card, order, line, staff):
        page = Page(staff.get(f"/orders/{order.pk}/labels/").text)
        assert [image["src"] for image in page.all("img") if "code.svg" in image["src"]] == [
            f"/c/{card.certificate_key}/code.svg"
        ]
        assert f"{card.serial} Library 8GB microSD · card 1 of 2" in page.words
        second = line.write(order, 2).cards.get()
        words = Page(staff.get(f"/orders/{order.pk}/labels/").text).words
        assert words.index(card.serial) < words.index(second.serial)

    def test_or_for_one_card_alone(self, card, order, line, staff):
        second = line.write(order, 2).cards.get()
        words = Page(staff.get(f"/orders/{order.pk}/labels/?card={second.serial}").text).words
        assert second.serial in words
        assert card.serial not in words
        assert "No card of this order" in Page(staff.get(f"/orders/{order.pk}/labels/?card=x%00").text).words

    def test_none_before_a_card_is_verified(self, order, staff):
        words = Page(staff.get(f"/orders/{order.pk}/labels/").text).words
        assert "No card of this order is verified yet." in words

    def test_the_same_queries_for_one_and_for_all(self, card, order, line, staff, django_assert_num_queries):
        url = f"/orders/{order.pk}/labels/"
        staff.get(url)
        with django_assert_num_queries(4):
            staff.get(url)
        line.write(order, 2)
        with django_assert_num_queries(4):
            staff.get(url)

    def test_only_for_staff(self, card, order, member, nobody):
        assert member.get(f"/orders/{order.pk}/labels/").status_code == 403
        assert nobody.get(f"/orders/{order.pk}/labels/").status_code == 302

    def test_the_order_and_the_station_lead_there(self, card, order, staff, member, line):
        page = Page(staff.get(order.get_absolute_url()).text)
        assert page.all("a", href=f"/orders/{order.pk}/labels/")
        assert page.all("a", href=f"/c/{card.certificate_key}")
        page = Page(member.get(order.get_absolute_url()).text)
        assert page.all("a", href=f"/c/{card.certificate_key}")
        assert not page.all("a", href=f"/orders/{order.pk}/labels/")
        station = Page(staff.get(f"/station/{line.writer.name}/").text)
        assert station.all("a", href=f"/orders/{order.pk}/labels/?card={card.serial}")


def test_the_api_names_the_address(card, order, api, school, settings):
    settings.PUBLIC_URL = "https://imager.example.org"
    (told,) = api(school.member).get(f"/api/v1/orders/{order.pk}/").json()["cards"]
    assert told["certificate_url"] == f"https://imager.example.org/c/{card.certificate_key}"
    Card.objects.update(verdict="bad")
    assert api(school.staff).get(f"/api/v1/orders/{order.pk}/").json()["cards"][0]["certificate_url"] is None
