"""The station: what each tile says and asks for, in every state of a slot."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tasks_app import services as tasks
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Host, Slot
from tasks_app.services import suspicion
from tests import factories as make
from tests.integration.pages.conftest import HTMX, Page
from workers.contract import Kind, Step


@pytest.fixture
def order(school, line):
    """An order whose two cards wait at the station."""
    placed = school.place(quantity=2)
    line.build(placed)
    line.download(placed)
    Host.objects.filter(pk=line.writer.pk).update(last_seen_at=timezone.now())
    return placed


@pytest.fixture
def look(staff, line):
    def page(**headers) -> Page:
        return Page(staff.get(f"/station/{line.writer.name}/", headers=headers).text)

    return page


def tile(page: Page, name: str) -> str:
    """The words of a tile."""
    text = page.html.split(f'id="tile-{name}"')[1].split("</li>")[0]
    return Page("<li " + text + "</li>").words


def test_an_empty_slot_asks_for_a_card_only_if_one_is_needed(look, line, order, staff):
    make.slot(line.writer, "A", present=False, diskseq=None)
    page = look()
    assert "Insert a card" in tile(page, "A")
    assert str(order) in tile(page, "A")
    order.tasks.filter(kind=Kind.WRITE).update(status=TaskStatus.CANCELED)
    assert "No card is needed now." in tile(look(), "A")


def test_a_card_is_erased_only_after_its_content_was_shown(look, line, order, staff):
    slot = make.slot(line.writer, "A", contents="holiday photos", model="Reader 9")
    page = look()
    assert "This card holds: holiday photos . Everything on it will be erased." in tile(page, "A")
    form = page.all("form", action=f"/station/{line.writer.name}/A/confirm/", method="post")
    assert len(form) == 1
    hidden = [f'name="diskseq" value="{slot.diskseq}"', f'name="boot_id" value="{slot.boot_id}"']
    assert all(part in page.html for part in hidden)
    answer = staff.post(form[0]["action"], {"diskseq": slot.diskseq, "boot_id": slot.boot_id}, follow=True)
    page = Page(answer.text)
    assert "will be wiped and written" in page.words
    assert "Starts in a moment" in tile(page, "A")
    assert not page.all("form", action=form[0]["action"])


@pytest.mark.parametrize(
    "seen", [{"diskseq": "1"}, {"diskseq": ""}, {"diskseq": "x"}, {"boot_id": "older"}, {}]
)
def test_a_card_that_was_changed_is_not_erased(seen, line, order, staff):
    slot = make.slot(line.writer, "A")
    shown = {"diskseq": str(slot.diskseq), "boot_id": slot.boot_id} | seen if seen else {}
    answer = staff.post(f"/station/{line.writer.name}/A/confirm/", shown, follow=True)
    assert "was changed meanwhile. Look again" in Page(answer.text).words
    assert not order.tasks.filter(kind=Kind.WRITE, status=TaskStatus.QUEUED).exists()


def test_a_card_that_is_too_small_has_no_button(look, line, order):
    make.slot(line.writer, "A", card_bytes=999_999)
    page = look()
    assert "too small" in tile(page, "A")
    assert not page.all("form", action=f"/station/{line.writer.name}/A/confirm/")


def test_a_running_slot_shows_step_and_progress(look, line, order):
    task = line.insert(order, 1)
    progress = {"done": 30, "total": 100, "rate": 1000.0, "eta": 20.0}
    tasks.report(task.pk, line.writer, make.report_body(1, step=Step.WRITING.value, progress=progress))
    words = tile(look(), task.slot.name)
    assert "Writing the card" in words
    assert "30 %" in words
    assert "less than a minute left" in words
    assert "Leave the card in." in words


def test_a_verified_card_shows_the_serial_number_for_its_label(look, line, order):
    task = line.write(order, 1)
    words = tile(look(), task.slot.name)
    assert "Done: take the card out" in words
    assert task.cards.get().serial in words


def test_a_bad_card_is_to_be_thrown_away_and_says_why(look, line, order):
    task = line.insert(order, 1)
    name = task.slot.name
    line.report(task, outcome="failed", trouble={"fault": "card", "code": "bad", "message": "Lost 3 blocks."})
    words = tile(look(), name)
    assert "throw it away" in words
    assert "Lost 3 blocks." in words


def test_an_unfinished_card_is_not_called_done(look, line, order):
    task = line.insert(order, 1)
    name = task.slot.name
    line.report(
        task, outcome="failed", trouble={"fault": "host", "code": "x", "message": "Reader unplugged."}
    )
    words = tile(look(), name)
    assert "not finished" in words
    assert "Done" not in words


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"problem": "Write-protected."}, "Problem Write-protected."),
        ({"disabled": True}, "Out of service"),
        ({"present": False, "problem": "No reader at 1-1.4."}, "Problem No reader at 1-1.4."),
    ],
)
def test_what_cannot_be_used_says_why_and_has_no_button(look, line, order, fields, words):
    make.slot(line.writer, "A", **fields)
    page = look()
    assert words in tile(page, "A")
    assert not page.all("form", action=f"/station/{line.writer.name}/A/confirm/")


def test_a_card_that_nobody_needs(look, line, school):
    make.slot(line.writer, "A")
    page = look()
    assert "Nothing to write" in tile(page, "A")
    assert "None at present." in page.words


def test_each_tile_has_a_sign_beside_its_colour(look, line, order):
    make.slot(line.writer, "A")
    make.slot(line.writer, "B", problem="x")
    page = look()
    uses = [attrs["href"].split("#")[1] for attrs in page.all("use")]
    assert uses == ["confirm", "problem"]


def test_the_key_of_a_tile_changes_with_what_it_shows_and_only_then(look, line, order):
    slot = make.slot(line.writer, "A")
    first = look().by_id("tile-A")["data-key"]
    assert look().by_id("tile-A")["data-key"] == first
    Slot.objects.filter(pk=slot.pk).update(diskseq=slot.diskseq + 1)
    second = look().by_id("tile-A")["data-key"]
    Slot.objects.filter(pk=slot.pk).update(contents="other")
    assert len({first, second, look().by_id("tile-A")["data-key"]}) == 3


def test_htmx_gets_the_tiles_alone(look, line, order):
    make.slot(line.writer, "A")
    page = look(**HTMX)
    assert "<html" not in page.html
    assert page.by_id("station")["hx-trigger"] == "every 2s"


def test_a_silent_host_is_told(look, line, order):
    assert "This host is silent" not in look().words
    Host.objects.filter(pk=line.writer.pk).update(last_seen_at=timezone.now() - timedelta(minutes=2))
    assert "This host is silent" in look().words
    Host.objects.filter(pk=line.writer.pk).update(last_seen_at=None)
    assert "This host is silent" in look().words


def test_unknown_stations_and_slots_do_not_exist(staff, line, school):
    assert staff.get("/station/nowhere/").status_code == 404
    assert staff.get(f"/station/{line.creator.name}/").status_code == 404
    assert staff.post(f"/station/{line.writer.name}/Z/confirm/").status_code == 404


def test_query_counts_do_not_grow_with_slots(staff, line, order, django_assert_num_queries):
    url = f"/station/{line.writer.name}/"
    make.slot(line.writer, "A")
    staff.get(url)
    with django_assert_num_queries(11):
        staff.get(url)
    make.slot(line.writer, "B")
    line.write(order, 1)
    with django_assert_num_queries(11):
        staff.get(url)


def test_a_quarantined_slot_says_what_to_do_and_is_released_only_after_a_look(look, line, order, staff):
    slot = make.slot(line.writer, "A")
    suspicion.quarantine(slot, note="2 different cards failed here.")
    page = look()
    assert "Quarantined 2 different cards failed here. So the reader is to blame" in tile(page, "A")
    (form,) = page.all("form", method="post", action=f"/station/{line.writer.name}/A/release/")

    answer = staff.post(form["action"], follow=True)
    assert "Say first that you have looked at the reader of slot A." in Page(answer.text).words
    slot.refresh_from_db()
    assert slot.quarantined_at

    answer = staff.post(form["action"], {"checked": "yes"}, follow=True)
    assert "Slot A serves again." in Page(answer.text).words
    assert "Erase this card?" in tile(look(), "A")
    answer = staff.post(form["action"], {"checked": "yes"}, follow=True)
    assert "not quarantined" in Page(answer.text).words


def test_only_staff_release_and_only_by_post(line, order, staff, client):
    slot = make.slot(line.writer, "A")
    suspicion.quarantine(slot, note="x")
    place = f"/station/{line.writer.name}/A/release/"
    assert staff.get(place).status_code == 405
    client.force_login(make.user())
    assert client.post(place, {"checked": "yes"}).status_code == 403
    slot.refresh_from_db()
    assert slot.quarantined_at


def test_a_reader_that_is_held_back_says_so_and_what_to_do(look, line, order):
    bus = {"port": "1-1", "speed": 480.0, "held_back": True, "hubs": []}
    slot = make.slot(line.writer, "A", bus=bus)
    page = look()
    assert "Plug it into a USB 3 port" in tile(page, "A")
    assert "USB port 1-1, 480 Mb/s" in tile(page, "A")
    key = page.by_id("tile-A")["data-key"]
    Slot.objects.filter(pk=slot.pk).update(bus={**bus, "speed": 5000.0, "held_back": False})
    page = look()
    assert "Plug it" not in tile(page, "A")
    assert page.by_id("tile-A")["data-key"] != key
