"""Where readers hang on USB: told in beats, short way and long, and judged with their neighbours."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tasks_app import buses, services
from tasks_app.api.bodies import is_beat
from tasks_app.models import Slot
from tests import factories as make
from tests.integration.tasks_app.test_signs import beat_of, calling, state

pytestmark = pytest.mark.django_db

BEAT = "/api/v1/hosts/me/beat"


def bus(port: str, speed: float | None = 5000.0, *hubs: tuple[str, float], held_back: bool = False):
    told = [{"path": path, "speed": speed} for path, speed in hubs]
    return {"port": port, "speed": speed, "held_back": held_back, "hubs": told}


ROOT = ("usb2", 5000.0)


@pytest.fixture
def writer():
    return make.host("writer")


def notes(writer, **told) -> dict[str, buses.BusNote]:
    """Of slots by their names."""
    services.beat(writer, beat_of("write", *(state(name, bus=bus) for name, bus in told.items())))
    slots = {slot.pk: slot.name for slot in writer.slots.all()}
    return {slots[pk]: note for pk, note in buses.notes(writer.slots.order_by("name")).items()}


class TestBeats:
    def test_a_beat_with_buses_goes_the_short_way_and_is_kept(self, writer, monkeypatch):
        body = beat_of(
            "write", state("A", bus=bus("2-1.1", 480.0, ("2-1", 480.0), ROOT)), state("B", bus=None)
        )
        assert is_beat(body)
        assert calling(writer).post(BEAT, body).status_code == 200
        kept = dict(writer.slots.values_list("name", "bus"))
        assert kept == {"A": body["slots"][0]["bus"], "B": None}
        assert writer.slots.filter(bus__isnull=True).count() == 1, "null of JSON is null of the database"

    def test_an_older_host_says_nothing_of_buses(self, writer):
        body = beat_of("write", state("A"))
        assert is_beat(body)
        assert calling(writer).post(BEAT, body).status_code == 200
        assert Slot.objects.get().bus is None

    def test_a_reader_at_another_port_is_seen_with_the_next_beat(self, writer):
        for port in ("2-1", "2-2"):
            services.beat(writer, beat_of("write", state("A", bus=bus(port))))
            assert Slot.objects.get().bus["port"] == port
        services.beat(writer, beat_of("write"))
        services.beat(writer, beat_of("write", slots=[]))
        assert Slot.objects.get().bus is None

    @pytest.mark.parametrize(
        "wrong",
        [
            "x",
            {},
            {**bus("2-1"), "surprise": 1},
            bus("<b>"),
            bus("2-1", -1.0),
            bus("2-1", 480.0, ("usb", 1.0)),
            bus("2-1", 480.0, *[ROOT] * 9),
            {**bus("2-1"), "held_back": "perhaps"},
        ],
    )
    def test_what_is_no_bus_is_refused_by_name(self, writer, wrong):
        body = beat_of("write", state("A", bus=wrong))
        assert not is_beat(body)
        answer = calling(writer).post(BEAT, body)
        assert (answer.status_code, "bus" in answer.content.decode()) == (400, True)
        assert not Slot.objects.exists()

    def test_a_speed_without_a_point_goes_the_long_way(self, writer):
        body = beat_of("write", state("A", bus=bus("2-1", 480, ROOT)))
        assert not is_beat(body)
        assert calling(writer).post(BEAT, body).status_code == 200
        assert Slot.objects.get().bus["speed"] == 480


class TestAdvice:
    def test_a_reader_alone_on_a_fast_link_needs_nothing(self, writer):
        note = notes(writer, A=bus("2-1", 5000.0, ROOT))["A"]
        assert (note.link, note.advice) == ("USB port 2-1, 5 Gb/s", "")

    def test_a_reader_of_usb_2_where_it_belongs_needs_nothing(self, writer):
        assert notes(writer, A=bus("1-1", 480.0, ("usb1", 480.0)))["A"].advice == ""

    def test_a_held_back_reader_is_to_be_plugged_in_elsewhere(self, writer):
        note = notes(writer, A=bus("1-1", 480.0, ("usb1", 480.0), held_back=True))["A"]
        assert note.link == "USB port 1-1, 480 Mb/s"
        assert note.advice == (
            "This USB 3 reader hangs on a USB 2 link, which carries 35.0 MB/s at best."
            " Plug it into a USB 3 port, by a USB 3 cable and hub."
        )

    def test_a_link_of_usb_1_is_a_bad_cable(self, writer):
        assert "linked at 12 Mb/s only: exchange its cable" in notes(writer, A=bus("1-1", 12.0))["A"].advice

    def test_readers_on_one_hub_share_its_link(self, writer):
        hub = ("1-1", 480.0), ("usb1", 480.0)
        found = notes(writer, A=bus("1-1.1", 480.0, *hub), B=bus("1-1.2", 480.0, *hub), C=bus("2-1", 5000.0))
        assert found["A"].link == "USB port 1-1.1, 480 Mb/s; shares a link of 480 Mb/s with B"
        assert "2 slots share a link that leaves 17.5 MB/s to each. Spread" in found["B"].advice
        assert found["C"].advice == ""

    def test_hubs_in_a_row_share_the_link_of_the_first(self, writer):
        """A hub with ten ports is often two of them in a row."""
        far = notes(
            writer,
            A=bus("1-1.4.1", 480.0, ("1-1.4", 480.0), ("1-1", 480.0), ("usb1", 480.0)),
            B=bus("1-1.2", 480.0, ("1-1", 480.0), ("usb1", 480.0)),
        )
        assert "with B" in far["A"].link
        assert "with A" in far["B"].link

    def test_many_slots_on_one_fast_root_are_told_when_too_many(self, writer):
        told = {f"S{n:02d}": bus(f"2-{n}", 5000.0, ROOT) for n in range(1, 14)}
        assert notes(writer, **told)["S01"].advice == "", "13 of them have 31 MB/s each"
        told["S14"] = bus("2-14", 5000.0, ROOT)
        assert "14 slots share a link that leaves 28.6 MB/s to each." in notes(writer, **told)["S01"].advice

    def test_two_slots_of_one_reader_share_its_link(self, writer):
        found = notes(writer, A=bus("1-1", 480.0), B=bus("1-1", 480.0))
        assert "17.5 MB/s to each" in found["A"].advice

    def test_slots_out_of_service_take_no_room(self, writer):
        hub = ("1-1", 480.0), ("usb1", 480.0)
        told = {"A": bus("1-1.1", 480.0, *hub), "B": bus("1-1.2", 480.0, *hub)}
        assert notes(writer, **told)["A"].advice
        Slot.objects.filter(name="B").update(disabled=True)
        found = notes(writer, **told)
        assert found["A"].advice == ""
        assert "shares" not in found["B"].link

    def test_what_nobody_knows_is_not_judged(self, writer):
        note = notes(writer, A=bus("1-1", None), B=bus("1-1", None))["A"]
        assert (note.link, note.advice) == ("USB port 1-1, speed unknown", "")


def test_the_page_of_the_host_tells_the_links_of_all_slots_by_one_query(
    writer, admin_client, django_assert_num_queries
):
    hub = ("1-1", 480.0), ("usb1", 480.0)
    told = {"A": bus("1-1.1", 480.0, *hub), "B": bus("1-1.2", 480.0, *hub)}
    notes(writer, **told)
    page = f"/admin/tasks_app/host/{writer.pk}/change/"
    admin_client.get(page)
    with CaptureQueriesContext(connection) as two:
        text = admin_client.get(page).text
    assert "USB port 1-1.1, 480 Mb/s; shares a link of 480 Mb/s with B. 2 slots share" in text
    notes(writer, **told, C=bus("1-1.3", 480.0, *hub), D=None)
    with django_assert_num_queries(len(two)):
        assert "with B, C." in admin_client.get(page).text
