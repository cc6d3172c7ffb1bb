"""The time that cards still take, from those before: on the tile, the order's page, the API."""

from __future__ import annotations

import importlib
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F

from tasks_app import forecast
from tasks_app import services as tasks
from tasks_app.models import Card, Slot
from tests import factories as make
from tests.integration.orders.conftest import api
from tests.integration.pages.conftest import Page
from tests.integration.pages.test_station_page import tile
from workers.contract import Kind, Step

__all__ = ["api"]

MAPPED = 6_000_000_000
MB = 1_000_000


@pytest.fixture
def built(school, line):
    """An order whose builder told how much a card gets; its image is at the station."""

    def order(quantity: int = 1):
        placed = school.place(quantity=quantity)
        line.build(placed)
        placed.tasks.filter(kind=Kind.CREATE).update(result={"image_size": 1_000_000, "mapped_bytes": MAPPED})
        line.download(placed)
        return placed

    return order


def figures(write=20 * MB, read=40 * MB, written=MAPPED):
    return {"slot": "A", "written_bytes": written, "write_rate": float(write), "read_rate": float(read)}


def before(line, order, *cards, beside=0):
    """A card for each unit, with these figures, all in one slot; and how long it took."""
    slot = make.slot(line.writer, "A")
    for unit, told in enumerate(cards, 1):
        Slot.objects.filter(pk=slot.pk).update(diskseq=F("diskseq") + 1)
        slot.refresh_from_db()
        task = line.claim(tasks.confirm(slot, diskseq=slot.diskseq, boot_id=slot.boot_id, by="operator"))
        body = {"event_id": str(task.pk), "attempt": task.attempt, "slot": "A", "diskseq": slot.diskseq}
        tasks.permit(task.pk, line.writer, {**body, "boot_id": slot.boot_id, "card_bytes": slot.card_bytes})
        line.report(task, outcome="done", result=told)
        card = Card.objects.get(task=task)
        if card.write_rate and card.read_rate:
            moving = card.written_bytes / card.write_rate + card.written_bytes / card.read_rate
            Card.objects.filter(pk=card.pk).update(
                permitted_at=card.ended_at - timedelta(seconds=moving + beside)
            )
        assert card.unit == unit
    Slot.objects.filter(pk=slot.pk).update(diskseq=F("diskseq") + 1)
    slot.refresh_from_db()
    return slot


def test_figures_are_kept_of_accepted_cards_and_only_if_they_can_be(built, line):
    odd = {"slot": "A", "written_bytes": -1, "write_rate": "fast", "read_rate": True}
    before(line, built(3), figures(), odd, {**figures(), "write_rate": 1e300, "written_bytes": 2**70})
    kept = Card.objects.order_by("unit").values_list("written_bytes", "write_rate", "read_rate")
    assert list(kept) == [(MAPPED, 20 * MB, 40 * MB), (0, None, None), (0, None, 40 * MB)]


def test_the_migration_finds_the_same_in_facts(built, line):
    odd = {"slot": "A", "written_bytes": -1, "write_rate": "fast", "read_rate": True}
    before(line, built(3), figures(), odd, {**figures(), "write_rate": 1e300, "written_bytes": 2**70})
    kept = list(Card.objects.order_by("unit").values_list("written_bytes", "write_rate", "read_rate"))
    Card.objects.update(written_bytes=0, write_rate=None, read_rate=None)
    with connection.cursor() as cursor:
        cursor.execute(importlib.import_module("tasks_app.migrations.0010_speeds_out_of_facts").FILL)
    assert list(Card.objects.order_by("unit").values_list("written_bytes", "write_rate", "read_rate")) == kept


def test_medians_of_slot_and_media_with_what_moved_no_bytes(built, line, django_assert_num_queries):
    order = built(3)
    slot = before(line, order, figures(10 * MB), figures(20 * MB), figures(90 * MB), beside=30)
    with django_assert_num_queries(1):
        past = forecast.history([line.writer.pk])
    pace = past[slot.pk, order.media_id]
    assert (pace.write, pace.read) == (20 * MB, 40 * MB)
    assert pace.beside == pytest.approx(30, abs=0.1)
    assert set(past) == {(slot.pk, order.media_id), (slot.pk, None), (None, order.media_id), (None, None)}
    assert forecast.history([line.creator.pk]) == {}


def test_only_the_latest_cards_of_a_slot_count(built, line, monkeypatch):
    slot = before(line, built(3), figures(10 * MB), figures(20 * MB), figures(90 * MB))
    oldest = Card.objects.get(unit=1)
    Card.objects.filter(pk=oldest.pk).update(ended_at=oldest.ended_at - timedelta(days=1))
    short = forecast._MEDIANS.replace(f"LIMIT {forecast.RECENT}", "LIMIT 2")
    monkeypatch.setattr(forecast, "_medians", lambda: short.format(orders="orders_order"))
    assert forecast.history([line.writer.pk])[slot.pk, None].write == 55 * MB


def test_the_tile_tells_before_the_card_is_erased_and_while_it_is_written(built, line, staff):
    slot = before(line, built(), figures(), beside=30)
    order = built()

    def words():
        return tile(Page(staff.get(f"/station/{line.writer.name}/").text), "A")

    assert "Takes about 8 minutes." in words(), "30 s, 300 s to write, 150 s to read back"
    task = tasks.confirm(slot, diskseq=slot.diskseq, boot_id=slot.boot_id, by="operator")
    assert task.order_id == order.pk
    assert "about 8 minutes left" in words()
    line.claim(task)
    assert "about 8 minutes left" in words()
    progress = {"done": MAPPED // 2, "total": MAPPED, "rate": 5.0 * MB, "eta": 600.0}
    line.report(task, step=Step.WRITING.value, progress=progress)
    assert "about 12 minutes left" in words(), "600 s at the rate of now, then 150 s to read back"


def test_the_order_s_page_and_the_api_tell_the_same(built, line, staff, school, api):
    slot = before(line, built(), figures(), beside=30)
    order = built()
    task = line.claim(tasks.confirm(slot, diskseq=slot.diskseq, boot_id=slot.boot_id, by="operator"))
    line.report(
        task, step=Step.WRITING.value, progress={"done": 0, "total": MAPPED, "rate": None, "eta": None}
    )
    assert "about 8 minutes left" in Page(staff.get(order.get_absolute_url()).text).words, "450 s"
    stages = api(school.member).get(f"/api/v1/orders/{order.pk}/").json()["stages"]
    assert [stage["eta"] for stage in stages] == [None, None, pytest.approx(450)]


def test_a_first_card_ever_is_foreseen_by_nobody(built, line, staff, school, api):
    order = built()
    make.slot(line.writer, "A")
    assert "Takes about" not in tile(Page(staff.get(f"/station/{line.writer.name}/").text), "A")
    task = line.insert(order, 1)
    line.report(task, step=Step.WIPING.value, progress={"done": 0, "total": 8, "rate": None, "eta": None})
    assert api(school.member).get(f"/api/v1/orders/{order.pk}/").json()["stages"][2]["eta"] is None
