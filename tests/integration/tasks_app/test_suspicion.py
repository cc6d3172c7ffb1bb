"""Blame: a card that fails in two slots is bad; different cards that fail in one slot make it a bad slot."""

from __future__ import annotations

import uuid

import pytest

from imager.api import Problem
from tasks_app import queries, services
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Card, Slot, SlotEvent
from tests import factories as make
from workers.contract import PROTOCOL, Kind

pytestmark = pytest.mark.django_db
CID = {name: f"cid:{number:032x}" for number, name in enumerate(["one", "two", "three"], start=1)}


@pytest.fixture
def writer():
    return make.host("writer")


@pytest.fixture
def unit(writer):
    return make.task(make.order(), Kind.WRITE, host=writer, unit=1, status=TaskStatus.WAITING)


@pytest.fixture
def fail(unit, writer):
    """Insert a card, have it permitted, and let it fail (or not)."""

    def once(slot, card="", code="bad_blocks", fault="card", stamp="", step="writing"):
        Slot.objects.filter(pk=slot.pk).update(diskseq=(slot.diskseq or 0) + 1)
        slot.refresh_from_db()
        services.confirm(slot, diskseq=slot.diskseq, boot_id=slot.boot_id, by="operator")
        services.claim(unit.pk, writer, make.claim_body())
        unit.refresh_from_db()
        body = {
            "event_id": str(uuid.uuid4()),
            "attempt": unit.attempt,
            "slot": slot.name,
            "diskseq": slot.diskseq,
            "boot_id": slot.boot_id,
            "card_bytes": slot.card_bytes,
            "card": card,
            "stamp": stamp,
        }
        services.permit(unit.pk, writer, body)
        trouble = {"fault": fault, "code": code, "message": "It failed."}
        ended = make.report_body(unit.attempt, step=step, outcome="failed", trouble=trouble)
        services.report(unit.pk, writer, ended)
        unit.refresh_from_db()
        slot.refresh_from_db()
        return slot.quarantined_at

    return once


def test_two_different_cards_failing_in_one_slot_quarantine_it(fail, writer):
    slot = make.slot(writer)
    assert fail(slot, CID["one"]) is None
    assert fail(slot, CID["two"]) is not None
    assert slot.quarantine_note == "2 different cards failed here."
    assert [(event.what, event.by) for event in SlotEvent.objects.all()] == [("quarantined", "server")]
    (tile,) = queries.station(writer)["tiles"]
    assert (tile.state, tile.message) == ("quarantined", slot.quarantine_note)


def test_one_card_failing_twice_in_one_slot_says_nothing_of_the_slot(fail, writer):
    slot = make.slot(writer)
    assert fail(slot, CID["one"]) is None
    assert fail(slot, CID["one"]) is None


def test_a_card_that_failed_in_two_slots_is_bad_and_neither_slot_suspect(fail, writer):
    left, right = make.slot(writer, "A"), make.slot(writer, "B")
    fail(left, CID["one"])
    fail(right, CID["one"])
    assert fail(left, CID["two"]) is None, "the first card does not count here any more"
    with pytest.raises(Problem) as refusal:
        fail(right, CID["one"])
    assert refusal.value.detail.code == "card_condemned"
    assert Card.objects.filter(identity=CID["one"]).latest("permitted_at").serial in str(refusal.value.detail)


@pytest.mark.parametrize("code", ["fake_capacity", "ignores_writes"])
def test_a_forged_or_worn_card_is_condemned_at_once_and_no_slot_suspect(fail, writer, code):
    slot = make.slot(writer)
    assert fail(slot, CID["one"], code) is None
    assert fail(slot, CID["two"], code) is None
    with pytest.raises(Problem) as refusal:
        fail(make.slot(writer, "B"), CID["one"])
    assert refusal.value.detail.code == "card_condemned"


@pytest.mark.parametrize("code", ["card_gone", "write_protected", "too_small", "too_slow"])
def test_what_no_reader_causes_or_anybody_may_do_makes_no_slot_suspect(fail, writer, code):
    slot = make.slot(writer)
    for card in CID.values():
        assert fail(slot, card, code) is None


def test_a_good_card_between_clears_the_slot(fail, writer, unit):
    slot = make.slot(writer)
    fail(slot, CID["one"])
    good = make.task(make.order(), Kind.WRITE, host=writer, unit=1, status=TaskStatus.DONE)
    Card.objects.create(
        serial="X",
        verdict="accepted",
        task=good,
        attempt=1,
        order=good.order,
        unit=1,
        host=writer,
        slot=slot,
        ended_at="2036-01-01T00:00Z",
    )
    assert fail(slot, CID["two"]) is None


def test_the_hosts_own_faults_count_for_nothing(fail, writer):
    slot = make.slot(writer)
    fail(slot, CID["one"], fault="host")
    assert fail(slot, CID["two"]) is None


def test_unknown_cards_are_each_a_new_one_and_a_stamp_tells_them_again(fail, writer):
    slot = make.slot(writer)
    stamp = "ab" * 16
    assert fail(slot, "", stamp=stamp) is None
    assert fail(slot, f"stamp:{stamp}", stamp="cd" * 16) is None, "the same card, by its stamp"
    assert fail(slot, "stamp:" + "cd" * 16) is None, "and by the stamp of the second writing"
    assert len(set(Card.objects.values_list("identity", flat=True))) == 1
    assert fail(slot, "") is not None, "and another one"


@pytest.mark.parametrize("step", ["verifying", "wiping"])
def test_a_dud_that_dies_before_it_is_stamped_is_one_card_however_often_it_is_inserted(fail, writer, step):
    slot = make.slot(writer)
    for number in range(3):
        assert fail(slot, "", "io_error", stamp=f"{number:032x}", step=step) is None
    assert len(set(Card.objects.values_list("identity", flat=True))) == 3
    assert fail(slot, "", "io_error", stamp="ef" * 16) is not None, "another one, which was stamped"


def test_duds_of_different_sizes_are_different_cards(fail, writer):
    slot = make.slot(writer)
    assert fail(slot, "", "io_error", step="wiping") is None
    Slot.objects.filter(pk=slot.pk).update(card_bytes=2 * slot.card_bytes)
    slot.refresh_from_db()
    assert fail(slot, "", "io_error", step="wiping") is not None


def test_a_quarantined_slot_takes_no_card_until_it_is_released(fail, writer, unit):
    slot = make.slot(writer)
    fail(slot, CID["one"])
    fail(slot, CID["two"])
    with pytest.raises(Problem) as refusal:
        fail(slot, CID["three"])
    assert refusal.value.detail.code == "slot_quarantined"

    services.release_slot(slot, by="anna@example.org")
    assert [event.what for event in SlotEvent.objects.order_by("at")] == ["quarantined", "released"]
    assert fail(slot, CID["three"]) is None, "what failed before the release counts no more"
    assert fail(slot, CID["one"]) is not None


def test_releasing_twice_is_refused_and_leaves_no_trace(fail, writer):
    slot = make.slot(writer)
    with pytest.raises(Problem) as refusal:
        services.release_slot(slot, by="anna@example.org")
    assert refusal.value.detail.code == "not_quarantined"
    assert not SlotEvent.objects.exists()


def test_an_automatic_host_and_the_order_page_pass_it_over(fail, writer, unit):
    slot = make.slot(writer)
    fail(slot, CID["one"])
    fail(slot, CID["two"])
    type(writer).objects.filter(pk=writer.pk).update(automatic=True)
    state = {"name": "A", "present": True, "size": 8 * 10**9, "diskseq": 999, "problem": ""}
    beat = {"kind": "write", "boot_id": slot.boot_id, "version": "1", "protocol": PROTOCOL, "free_bytes": 1}
    services.beat(writer, {**beat, "running": [], "slots": [{**state, "model": "", "contents": ""}]})
    unit.refresh_from_db()
    assert unit.status == TaskStatus.WAITING
    assert [reason.code for reason in queries.why_waiting(unit.order)] == ["slots_taken"]
