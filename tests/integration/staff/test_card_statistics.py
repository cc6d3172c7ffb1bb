"""How cards did: by lot, by slot, by media, with numbers that come from the rows themselves."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from imager.api import Problem
from tasks_app import services
from tasks_app import statistics as figures
from tasks_app.models import Card, Host, Lot
from tests import factories as make
from tests.integration.pages.conftest import Page
from tests.integration.tasks_app.test_cards import permit
from workers.contract import Kind

pytestmark = pytest.mark.django_db
MB = 1e6
_count = itertools.count(1)


@pytest.fixture
def writer():
    return make.host("writer", name="north")


@pytest.fixture
def desk(client):
    client.force_login(make.staff())
    return client


def card(slot, verdict="accepted", *, lot=None, buckets=None, **fields):
    """A card that ended as it says."""
    n = next(_count)
    facts = {} if buckets is None else {"write_latency": {"buckets": buckets}}
    order = make.order()
    task = make.task(order, Kind.WRITE, unit=1, host=slot.host)
    return Card.objects.create(
        serial=f"s-{n}", verdict=verdict, task=task, attempt=1,
        order=order, unit=1, host=slot.host, slot=slot, diskseq=n, boot_id="b", lot=lot, facts=facts,
        **{"ended_at": timezone.now(), **fields},
    )  # fmt: skip


class TestFigures:
    def test_numbers_medians_and_worst_of_each_slot(self, writer):
        a, b = make.slot(writer, "A"), make.slot(writer, "B")
        for write in (10 * MB, 20 * MB, 90 * MB):
            card(a, write_rate=write, read_rate=2 * write)
        card(a, "bad")
        card(a, "abandoned")
        card(b, write_rate=None)
        first, second = figures.statistics().by_slot
        assert first.name == ("north", "A")
        assert (first.number, first.accepted, first.condemned) == (5, 3, 1)
        assert (first.write, first.worst_write) == (20 * MB, 10 * MB)
        assert (first.read, first.worst_read) == (40 * MB, 20 * MB)
        assert first.condemned_percent == 25
        assert (second.name, second.write, second.condemned_percent) == (("north", "B"), None, 0)

    def test_lots_of_one_brand_are_told_apart_and_cards_of_none_are_counted(self, writer):
        slot = make.slot(writer)
        one = Lot.objects.create(brand="Fast", name="1")
        two = Lot.objects.create(brand="Fast", name="2")
        card(slot, lot=one)
        card(slot, "bad", lot=two)
        card(slot, lot=two)
        card(slot)
        found = {line.name: (line.number, line.condemned) for line in figures.statistics().by_lot}
        assert found == {("Fast", "1"): (1, 0), ("Fast", "2"): (2, 1), ("", ""): (1, 0)}

    def test_cards_that_are_being_written_are_not_counted(self, writer):
        card(make.slot(writer), "writing", ended_at=None)
        assert figures.statistics().by_media == []

    def test_a_period(self, writer):
        slot = make.slot(writer)
        card(slot, ended_at=timezone.now() - timedelta(days=31), buckets=[1])
        card(slot, buckets=[0, 1])
        assert figures.statistics(30).by_slot[0].number == 1
        assert figures.statistics(30).latency.calls == 1
        assert figures.statistics().by_slot[0].number == 2
        assert figures.statistics().latency.calls == 2

    def test_latencies_are_summed_for_each_and_for_all(self, writer):
        a, b = make.slot(writer, "A"), make.slot(writer, "B")
        lot = Lot.objects.create(brand="Fast")
        card(a, lot=lot, buckets=[0, 3, 1])
        card(a, buckets=[0, 1])
        card(b, buckets=[0, 0, 0, 7])
        found = figures.statistics()
        assert found.latency.buckets[:5] == (0, 4, 1, 7, 0)
        assert [line.latency.buckets[:4] for line in found.by_slot] == [(0, 4, 1, 0), (0, 0, 0, 7)]
        assert {line.name[0]: line.latency.calls for line in found.by_lot} == {"Fast": 4, "": 8}
        assert [line.latency.calls for line in found.by_media] == [12]

    @pytest.mark.parametrize(
        "odd", ["x", {"a": 1}, ["1", None, [2]], [[1]], 5, [1] * 40, [-5], [1e30, -1e30, 1]]
    )
    def test_what_hosts_tell_is_not_believed_blindly(self, writer, odd):
        card(make.slot(writer), buckets=odd)
        buckets = figures.statistics().latency.buckets
        assert len(buckets) in (0, 16)
        assert all(count >= 0 for count in buckets)

    def test_the_slowest_of_a_hundred(self):
        assert figures.Latency((0,) * 16).slowest is None
        assert figures.Latency((0, 0, 99, 1)).slowest == 4
        assert figures.Latency((0, 0, 98, 2)).slowest == 8
        assert figures.Latency((98,) + (0,) * 14 + (2,)).slowest is None  # the last has no end

    def test_a_rare_bar_is_seen_all_the_same(self):
        assert figures.Latency((0, 10_000, 1)).bars == [(10, 0, 40), (20, 38, 2)]

    def test_rows_have_no_empty_ends(self):
        assert figures.Latency((0, 1, 0, 2) + (0,) * 12).rows == [(2, 1), (4, 0), (8, 2)]
        assert figures.Latency((0,) * 15 + (1,)).rows == [(None, 1)]

    def test_four_queries_however_many_cards(self, writer, django_assert_num_queries):
        for name in "ABCDE":
            card(make.slot(writer, name), lot=Lot.objects.create(brand=name), buckets=[1])
        with django_assert_num_queries(4):
            figures.statistics()


class TestLots:
    def test_cards_that_are_begun_are_of_the_lot_in_use(self, writer):
        lot = services.use_lot(writer, brand=" Fast   32 ", name="2026-10")
        assert str(lot) == "Fast 32 2026-10"
        slot = make.slot(writer)
        make.task(kind=Kind.WRITE, unit=1, host=writer, status="waiting")
        task = services.confirm(slot, diskseq=slot.diskseq, boot_id=slot.boot_id, by="x")
        services.claim(task.pk, writer, make.claim_body())
        permit(task, slot)
        assert Card.objects.get().lot == lot
        services.use_lot(writer, brand="", name="")
        assert Card.objects.get().lot == lot, "what was begun stays"
        assert Host.objects.get(pk=writer.pk).lot is None

    def test_the_same_lot_is_one_however_it_is_typed(self, writer):
        one = services.use_lot(writer, brand="Fast", name="A1")
        assert services.use_lot(writer, brand="FAST ", name="a1") == one
        assert services.use_lot(writer, brand="Fast", name="") != one
        assert Lot.objects.count() == 2

    @pytest.mark.parametrize(
        ("brand", "name", "code"),
        [("", "A1", "no_brand"), ("x" * 61, "", "too_long"), ("x", "y" * 61, "too_long")],
    )
    def test_what_is_no_lot(self, writer, brand, name, code):
        with pytest.raises(Problem) as caught:
            services.use_lot(writer, brand=brand, name=name)
        assert caught.value.get_codes() == code
        assert not Lot.objects.exists()

    def test_at_the_station(self, writer, desk):
        page = Page(desk.get("/station/north/").text)
        assert "so that good and bad lots can be told apart" in page.words
        (form,) = page.all("form", action="/station/north/lot/")
        answer = desk.post(form["action"], {"brand": "Fast", "lot": "7\x00"}, follow=True)
        words = Page(answer.text).words
        assert "Cards that are begun from now on are counted as Fast 7." in words
        assert "Counted as Fast 7" in words
        answer = desk.post(form["action"], {"lot": "7"}, follow=True)
        assert "Name the brand of the cards, too" in Page(answer.text).words
        answer = desk.post(form["action"], follow=True)
        assert "counted without brand" in Page(answer.text).words
        assert desk.get(form["action"]).status_code == 405

    def test_only_staff_tell_it(self, writer, client):
        client.force_login(make.user())
        assert client.post("/station/north/lot/", {"brand": "x"}).status_code == 403
        assert not Lot.objects.exists()


class TestPage:
    @pytest.fixture
    def page(self, writer, desk):
        slot = make.slot(writer, "A")
        lot = Lot.objects.create(brand="Fast <b>", name="7")
        card(slot, lot=lot, write_rate=20 * MB, read_rate=40 * MB, buckets=[0, 0, 5, 1])
        card(slot, "bad", lot=lot)
        return Page(desk.get("/staff/cards/").text)

    def test_tables_say_in_words_what_drawings_show(self, page):
        assert "Fast <b> 7 2 1 1 (50.0 %) 20.0 MB/s 20.0 MB/s 40.0 MB/s 40.0 MB/s 8 ms" in page.words
        assert "north A 2 1 1" in page.words
        assert "4 ms 5 8 ms 1" in page.words, "the histogram as a table"
        assert len(page.all("svg", **{"class": "latency"})) == 4
        assert all(svg["aria-hidden"] == "true" for svg in page.all("svg", **{"class": "latency"}))
        assert len(page.all("th", scope="col")) == 8 + 8 + 7 + 2

    def test_nothing_yet(self, desk):
        words = Page(desk.get("/staff/cards/").text).words
        assert words.count("No card has ended in this time.") == 3
        assert "No card has told it" in words

    def test_periods(self, desk, page):
        Card.objects.update(ended_at=F("ended_at") - timedelta(days=50))
        assert "north A" not in Page(desk.get("/staff/cards/?days=30").text).words
        for days in ("90", "all", "x", "-1", "1e9"):
            assert "north A" in Page(desk.get(f"/staff/cards/?days={days}").text).words

    def test_in_french(self, desk, page):
        answer = desk.get("/staff/cards/", headers={"Accept-Language": "fr"})
        words = Page(answer.text).words
        assert "Statistiques des cartes" in words
        assert "(50,0 %)" in words.replace("\xa0", " ")
        assert 'height="40"' in answer.text

    def test_for_staff_alone(self, client, db):
        assert client.get("/staff/cards/").status_code == 302
        client.force_login(make.user())
        assert client.get("/staff/cards/").status_code == 403

    def test_ways_that_lead_there(self, desk, writer):
        for way in ("/station/", "/station/north/", "/admin/tasks_app/card/"):
            assert Page(desk.get(way).text).all("a", href="/staff/cards/"), way
