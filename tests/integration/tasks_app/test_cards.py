"""Cards: an operator confirms what he sees, one insertion serves one unit, blame falls on the right one."""

from __future__ import annotations

import uuid

import pytest
from django.db import IntegrityError, transaction

from imager.api import Problem
from tasks_app import queries, services
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Card, Host, RefusedReport, Slot
from tasks_app.services.cards import check_digit
from tests import factories as make
from workers.contract import PROTOCOL, Kind

pytestmark = pytest.mark.django_db


@pytest.fixture
def writer():
    return make.host("writer")


@pytest.fixture
def unit(writer):
    """A unit that waits for a card."""
    return make.task(make.order(quantity=2), Kind.WRITE, host=writer, unit=1, status=TaskStatus.WAITING)


def confirm(slot, **fields):
    return services.confirm(
        slot, **{"diskseq": slot.diskseq, "boot_id": slot.boot_id, "by": "operator", **fields}
    )


def permit(task, slot_, attempt=1, **fields):
    body = {
        "event_id": str(uuid.uuid4()),
        "attempt": attempt,
        "slot": slot_.name,
        "diskseq": slot_.diskseq,
        "boot_id": slot_.boot_id,
        "card_bytes": slot_.card_bytes,
        **fields,
    }
    return services.permit(task.pk, slot_.host, body)


def begin(unit, slot, attempt=1):
    confirm(slot)
    services.claim(unit.pk, slot.host, make.claim_body())
    return permit(unit, slot, attempt)


def end(unit, host, attempt=1, **fields):
    services.report(unit.pk, host, make.report_body(attempt, step="reading_back", **fields))
    unit.refresh_from_db()


def test_a_confirmed_card_is_written_and_accepted(unit, writer):
    slot = make.slot(writer)

    confirm(slot)
    answer = services.claim(unit.pk, writer, make.claim_body())
    serial = permit(unit, slot)
    end(unit, writer, outcome="done", result={"slot": "A", "read_back_sha256": "ee" * 32})

    card = Card.objects.get()
    assert (card.verdict, card.serial, card.unit) == ("accepted", serial, 1)
    assert answer["spec"]["slot"] == {"name": "A", "diskseq": slot.diskseq, "size": slot.card_bytes}
    assert answer["spec"]["serial"] == serial == f"{unit.order.number}-01-1-{serial[-1]}"
    assert unit.status == TaskStatus.DONE
    slot.refresh_from_db()
    assert slot.used


def test_a_permit_is_given_once_per_attempt_and_repeated_for_the_same_event(unit, writer):
    slot = make.slot(writer)
    confirm(slot)
    services.claim(unit.pk, writer, make.claim_body())
    event = str(uuid.uuid4())

    assert permit(unit, slot, event_id=event) == permit(unit, slot, event_id=event)
    with pytest.raises(Problem) as refusal:
        permit(unit, slot)
    assert refusal.value.detail.code == "insertion_used"
    assert Card.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"slot": "B"}, "wrong_slot"),
        ({"diskseq": 1}, "card_changed"),
        ({"diskseq": None}, "card_changed"),
        ({"boot_id": "later"}, "card_changed"),
        ({"card_bytes": 999}, "too_small"),
        ({"attempt": 7}, "stale"),
    ],
)
def test_no_permit_for_another_card(unit, writer, fields, code):
    slot = make.slot(writer)
    confirm(slot)
    services.claim(unit.pk, writer, make.claim_body())

    with pytest.raises(Problem) as refusal:
        permit(unit, slot, **fields)

    assert refusal.value.detail.code == code
    assert not Card.objects.exists()


def test_no_permit_after_a_cancel(unit, writer):
    slot = make.slot(writer)
    confirm(slot)
    services.claim(unit.pk, writer, make.claim_body())
    services.cancel_tasks(unit.order, by="x")

    with pytest.raises(Problem) as refusal:
        permit(unit, slot)
    assert refusal.value.detail.code == "canceled"


@pytest.mark.parametrize(
    ("slot_fields", "seen", "code"),
    [
        ({"present": False}, {}, "no_card"),
        ({"disabled": True}, {}, "slot_disabled"),
        ({"problem": "write-protected"}, {}, "slot_problem"),
        ({"card_bytes": 999}, {}, "too_small"),
        ({}, {"diskseq": 5}, "card_changed"),
        ({}, {"diskseq": None}, "card_changed"),
        ({}, {"boot_id": "earlier"}, "card_changed"),
        ({"diskseq": 7, "used_diskseq": 7, "used_boot_id": "boot"}, {"diskseq": 7}, "insertion_used"),
    ],
)
def test_what_may_not_be_confirmed(unit, writer, slot_fields, seen, code):
    slot = make.slot(writer, **slot_fields)

    with pytest.raises(Problem) as refusal:
        confirm(slot, **seen)

    assert refusal.value.detail.code == code
    unit.refresh_from_db()
    assert unit.status == TaskStatus.WAITING


def test_nothing_to_confirm_when_nothing_waits(writer):
    with pytest.raises(Problem) as refusal:
        confirm(make.slot(writer))
    assert refusal.value.detail.code == "nothing_waits"


def test_one_slot_serves_one_unit_at_a_time(unit, writer):
    make.task(unit.order, Kind.WRITE, host=writer, unit=2, status=TaskStatus.WAITING)
    slot = make.slot(writer)
    confirm(slot)

    with pytest.raises(Problem) as refusal:
        confirm(slot)
    assert refusal.value.detail.code == "slot_busy"


def test_a_bad_card_sends_the_unit_back_to_wait_and_the_card_away(unit, writer):
    slot = make.slot(writer)
    begin(unit, slot)

    end(
        unit,
        writer,
        outcome="failed",
        trouble={"fault": "card", "code": "bad_blocks", "message": "Bad blocks at 4194304."},
    )

    assert (unit.status, unit.lost_attempts, unit.slot) == (TaskStatus.WAITING, 0, None)
    assert Card.objects.get().verdict == "bad"
    slot.refresh_from_db()
    with pytest.raises(Problem) as refusal:
        confirm(slot)
    assert refusal.value.detail.code == "insertion_used"
    assert [tile.state for tile in queries.station(writer)["tiles"]] == ["discard"]

    Slot.objects.update(diskseq=4242)
    slot.refresh_from_db()
    begin(unit, slot, attempt=2)
    end(unit, writer, 2, outcome="done", result={})
    assert sorted(Card.objects.values_list("verdict", flat=True)) == ["accepted", "bad"]


def test_a_card_without_permit_cannot_be_accepted(unit, writer):
    slot = make.slot(writer)
    confirm(slot)
    services.claim(unit.pk, writer, make.claim_body())

    with pytest.raises(Problem) as refusal:
        end(unit, writer, outcome="done", result={})
    assert refusal.value.detail.code == "no_permit"


def test_the_database_knows_one_accepted_card_per_unit(unit, writer):
    slot = make.slot(writer)
    begin(unit, slot)
    end(unit, writer, outcome="done", result={})
    card = Card.objects.get()
    card.pk, card.serial, card.attempt, card.diskseq = None, "another", 9, 99999

    with pytest.raises(IntegrityError, match="card_accepted_once_per_unit"), transaction.atomic():
        card.save()


def test_an_automatic_host_confirms_by_itself(unit):
    host = unit.host
    type(host).objects.update(automatic=True)
    host.refresh_from_db()
    state = {
        "name": "A",
        "present": True,
        "size": 8_000_000_000,
        "diskseq": 77,
        "model": "",
        "contents": "",
        "problem": "",
    }
    body = {
        "kind": "write",
        "boot_id": "b",
        "version": "0.1.0",
        "protocol": PROTOCOL,
        "free_bytes": 1,
        "running": [],
        "slots": [state],
    }

    answer = services.beat(host, body)

    unit.refresh_from_db()
    assert (unit.status, unit.confirmed_diskseq) == (TaskStatus.QUEUED, 77)
    assert answer == {"ring": [str(unit.pk)], "drain": False, "keep": [str(unit.order_id)]}
    assert services.beat(host, body)["ring"] == [str(unit.pk)]  # again: nothing more is confirmed


def test_a_beat_shows_slots_and_forgets_removed_ones(writer):
    state = {
        "name": "A",
        "present": True,
        "size": 5,
        "diskseq": 1,
        "model": "reader",
        "contents": "FAT",
        "problem": "",
    }
    body = {
        "kind": "write",
        "boot_id": "b",
        "version": "0.1.0",
        "protocol": PROTOCOL,
        "free_bytes": 1,
        "running": [],
        "slots": [state],
    }
    services.beat(writer, body)
    services.beat(writer, {**body, "slots": [{**state, "name": "B"}]})

    assert dict(Slot.objects.values_list("name", "present")) == {"A": False, "B": True}
    writer.refresh_from_db()
    assert writer.last_seen_at is not None


@pytest.mark.parametrize(
    ("body", "digit"), [("0000-0002-1825-009", "7"), ("0000-0001-5109-370", "0"), ("0000-0002-1694-233", "X")]
)
def test_check_digits_are_those_of_the_standard(body, digit):
    """Published ORCID identifiers use the same check."""
    assert check_digit(body) == digit


def test_check_digits_find_wrong_and_swapped_digits():
    body = "1234-05-1"
    right = check_digit(body)
    for at, character in enumerate(body):
        if character == "-":
            continue
        for other in "0123456789":
            if other != character:
                assert check_digit(body[:at] + other + body[at + 1 :]) != right


def test_a_repeated_permit_is_refused_once_the_order_is_canceled(unit, writer):
    slot = make.slot(writer)
    confirm(slot)
    services.claim(unit.pk, writer, make.claim_body())
    event = str(uuid.uuid4())
    permit(unit, slot, event_id=event)
    services.cancel_tasks(unit.order, by="x")

    with pytest.raises(Problem) as refusal:
        permit(unit, slot, event_id=event)

    assert refusal.value.detail.code == "canceled"


def test_a_repeated_permit_of_an_attempt_that_is_over_is_stale(unit, writer):
    slot = make.slot(writer)
    confirm(slot)
    services.claim(unit.pk, writer, make.claim_body())
    event = str(uuid.uuid4())
    permit(unit, slot, event_id=event)
    services.release(unit.pk, writer, event_id=uuid.uuid4(), attempt=1)

    with pytest.raises(Problem) as refusal:
        permit(unit, slot, event_id=event)

    assert refusal.value.detail.code == "stale"
    assert RefusedReport.objects.get().reason == "stale_permit"


def test_an_event_id_that_was_no_permit_gives_none(unit, writer):
    first, second = make.slot(writer, "A"), make.slot(writer, "B")
    make.task(unit.order, Kind.WRITE, host=writer, unit=2, status=TaskStatus.WAITING)
    other = unit.order.tasks.get(unit=2)
    event = str(uuid.uuid4())
    begin(unit, first)
    end(unit, writer, event_id=event, outcome="done", result={})
    confirm(second)
    services.claim(other.pk, writer, make.claim_body())

    with pytest.raises(Problem) as refusal:
        permit(other, second, event_id=event)

    assert refusal.value.detail.code == "event_used"


def test_an_insertion_without_a_number_cannot_be_confirmed(unit, writer):
    with pytest.raises(Problem) as refusal:
        confirm(make.slot(writer, diskseq=None))

    assert refusal.value.detail.code == "insertion_unknown"


@pytest.mark.parametrize("fields", [{"draining": True}, {"disabled": True}])
def test_a_host_that_takes_no_work_takes_no_cards(unit, writer, fields):
    slot = make.slot(writer)
    Host.objects.filter(pk=writer.pk).update(**fields)
    slot = Slot.objects.select_related("host").get(pk=slot.pk)

    with pytest.raises(Problem) as refusal:
        confirm(slot)

    assert refusal.value.detail.code == "draining"
    assert "resume" in str(refusal.value.detail)
    assert [tile.state for tile in queries.station(slot.host)["tiles"]] == ["idle"]


def test_a_card_that_does_not_do_keeps_no_other_from_being_written_on_an_automatic_host(unit, writer):
    Host.objects.filter(pk=writer.pk).update(automatic=True)
    writer.refresh_from_db()
    small, large = (
        {"name": name, "present": True, "size": size, "diskseq": size}
        | {"model": "", "contents": "", "problem": ""}
        for name, size in (("A", 999), ("B", 8_000_000_000))
    )
    body = {
        "kind": "write",
        "boot_id": "b",
        "version": "1",
        "protocol": PROTOCOL,
        "free_bytes": 1,
        "running": [],
    }

    services.beat(writer, {**body, "slots": [small, large]})

    unit.refresh_from_db()
    assert (unit.status, unit.slot.name) == (TaskStatus.QUEUED, "B")


def test_each_tile_that_asks_for_a_confirmation_can_be_confirmed(unit, writer):
    """The page and the verb judge alike, but for the size, about which the page speaks itself."""
    make.slot(writer, "empty", present=False)
    make.slot(writer, "out", disabled=True)
    make.slot(writer, "broken", problem="write-protected")
    make.slot(writer, "used", diskseq=7, used_diskseq=7, used_boot_id="boot")
    make.slot(writer, "good")
    states = {tile.slot.name: tile.state for tile in queries.station(writer)["tiles"]}

    confirmed = {}
    for slot in Slot.objects.select_related("host").order_by("name"):
        try:
            confirm(slot)
            confirmed[slot.name] = True
        except Problem:
            confirmed[slot.name] = False

    assert confirmed == {name: state == "confirm" for name, state in states.items()}
    assert list(confirmed.values()).count(True) == 1


def test_after_a_cancel_in_the_middle_the_card_is_to_be_taken_out(unit, writer):
    slot = make.slot(writer)
    begin(unit, slot)
    services.cancel_tasks(unit.order, by="member")

    end(unit, writer, outcome="canceled")

    assert (unit.status, Card.objects.get().verdict) == (TaskStatus.CANCELED, "abandoned")
    assert [tile.state for tile in queries.station(writer)["tiles"]] == ["remove"]
    Slot.objects.update(present=False, diskseq=None)
    assert [tile.state for tile in queries.station(writer)["tiles"]] == ["empty"]


def test_a_write_whose_budget_is_spent_fails_and_frees_the_slot(unit, writer):
    trouble = {"fault": "host", "code": "usb", "message": "The reader went away."}
    slot = make.slot(writer)
    for attempt in (1, 2, 3):
        Slot.objects.update(diskseq=5000 + attempt)
        slot.refresh_from_db()
        begin(unit, slot, attempt)
        end(unit, writer, attempt, outcome="failed", trouble=trouble)

    assert (unit.status, unit.lost_attempts) == (TaskStatus.FAILED, 3)
    assert set(Card.objects.values_list("verdict", flat=True)) == {"abandoned"}
    assert [tile.state for tile in queries.station(writer)["tiles"]] == ["remove"]
    services.retry_task(unit, by="staff")
    unit.refresh_from_db()
    assert (unit.status, unit.slot) == (TaskStatus.WAITING, None)


@pytest.mark.parametrize("fault", ["card", "slot"])
def test_a_card_that_fails_before_its_permit_is_not_tried_for_ever(unit, writer, fault):
    """An automatic host confirms what it finds: at each beat, if nothing stopped it."""
    Host.objects.filter(pk=writer.pk).update(automatic=True)
    writer.refresh_from_db()
    state = {"name": "A", "present": True, "size": 8_000_000_000, "diskseq": 7}
    state |= {"model": "", "contents": "", "problem": ""}
    body = {
        "kind": "write",
        "boot_id": "b",
        "version": "1",
        "protocol": PROTOCOL,
        "free_bytes": 1,
        "running": [],
    }
    services.beat(writer, {**body, "slots": [state]})
    services.claim(unit.pk, writer, make.claim_body())
    trouble = {"fault": fault, "code": "unreadable", "message": "This card cannot be opened."}
    end(unit, writer, outcome="failed", trouble=trouble)

    assert services.beat(writer, {**body, "slots": [state]})["ring"] == []
    assert [tile.state for tile in queries.station(writer)["tiles"]] == ["remove"]
    assert services.beat(writer, {**body, "slots": [{**state, "diskseq": 8}]})["ring"] == [str(unit.pk)]


def followed(unit, slot_, **fields):
    return permit(unit, slot_, **{"diskseq": slot_.diskseq + 1, "follows": slot_.diskseq, **fields})


def test_a_reader_that_was_reset_gets_a_permit_for_the_new_insertion(unit, writer):
    slot = make.slot(writer)
    serial = begin(unit, slot)
    assert followed(unit, slot) == serial
    unit.refresh_from_db()
    slot.refresh_from_db()
    card = Card.objects.get(serial=serial)
    assert unit.confirmed_diskseq == card.diskseq == slot.used_diskseq == slot.diskseq + 1
    assert followed(unit, slot, follows=slot.diskseq + 1, diskseq=slot.diskseq + 2) == serial, "and again"
    end(unit, writer, outcome="done", result={"slot": "A", "read_back_sha256": "ee" * 32})
    assert unit.status == TaskStatus.DONE


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"follows": 1}, "card_changed"),
        ({"diskseq": None}, "card_changed"),
        ({"boot_id": "later"}, "card_changed"),
        ({"card_bytes": 5}, "card_changed"),
        ({"slot": "elsewhere"}, "card_changed"),
    ],
)
def test_only_the_card_that_is_being_written_may_follow_itself(unit, writer, fields, code):
    slot = make.slot(writer)
    begin(unit, slot)
    with pytest.raises(Problem) as refusal:
        followed(unit, slot, **fields)
    assert refusal.value.detail.code == code


def test_an_insertion_that_was_written_by_another_attempt_cannot_be_followed_to(unit, writer):
    slot = make.slot(writer)
    serial = begin(unit, slot)
    card = Card.objects.get(serial=serial)
    other = make.task(unit.order, Kind.WRITE, host=writer, unit=2)
    Card.objects.create(
        serial="other",
        task=other,
        attempt=1,
        order=unit.order,
        unit=2,
        host=writer,
        slot=slot,
        diskseq=slot.diskseq + 1,
        boot_id=card.boot_id,
        card_bytes=1,
        verdict=Card.Verdict.ACCEPTED,
    )
    with pytest.raises(Problem) as refusal:
        followed(unit, slot)
    assert refusal.value.detail.code == "insertion_used"


def test_nothing_follows_without_a_permit_before(unit, writer):
    slot = make.slot(writer)
    confirm(slot)
    services.claim(unit.pk, slot.host, make.claim_body())
    with pytest.raises(Problem) as refusal:
        followed(unit, slot)
    assert refusal.value.detail.code == "card_changed"
