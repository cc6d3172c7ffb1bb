"""Why an order waits: every cause by its code, in two ways of saying it, at a constant price."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from orders import services
from tasks_app import services as tasks
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Host, Slot, Task
from tasks_app.queries import why_waiting
from tasks_app.waiting import NAMED
from tasks_app.words import REASONS
from tests import factories as make
from tests.integration.pages.conftest import Page
from workers.contract import Kind

MINUTE = 60


def codes(order) -> list[str]:
    return [reason.code for reason in why_waiting(order)]


def said(order, *, staff: bool = True) -> str:
    return " ".join(reason.words(staff=staff) for reason in why_waiting(order)).replace("\xa0", " ")


@pytest.fixture
def downloaded(school, line, seen):
    """An order for two cards whose image is at the station."""

    def make_one(quantity: int = 2):
        order = school.place(quantity=quantity)
        line.build(order)
        line.download(order)
        seen(line.writer)
        return order

    return make_one


@pytest.mark.parametrize(
    ("seconds", "fields", "word"),
    [
        (None, {}, "never seen"),
        (2 * MINUTE, {}, "suspect"),
        (60 * MINUTE, {}, "silent"),
        (0, {"draining": True}, "draining"),
        (0, {"disabled": True}, "disabled"),
    ],
)
def test_no_creator_is_there(school, line, seen, seconds, fields, word):
    order = school.place()
    seen(line.creator, seconds, **fields)
    assert codes(order) == ["no_creator"]
    assert f"{line.creator} ({word})" in said(order)
    assert line.creator.name not in said(order, staff=False)


def test_no_creator_was_ever_enrolled_in_the_channel(school, line, seen):
    order = school.place()
    seen(line.creator, 0, channel=make.channel("other"))
    assert codes(order) == ["no_creator"]
    assert "none is enrolled" in said(order)


def test_creators_are_busy_and_others_come_first(school, line, seen):
    first, second, third = (school.place() for _ in range(3))
    seen(line.creator)
    assert codes(first) == ["starting"]
    assert codes(second) == ["creators_busy"]
    assert "number 2" in said(second, staff=False)
    line.claim(line.task(first, Kind.CREATE))
    assert codes(first) == []
    assert "number 1" in said(second)
    seen(make.host(Host.Kind.CREATOR))
    assert codes(second) == ["starting"]
    assert codes(third) == ["creators_busy"]


def test_a_pause_after_a_failure_says_until_when_and_why(school, line, seen):
    order = school.place()
    seen(line.creator)
    task = line.claim(line.task(order, Kind.CREATE))
    line.report(task, outcome="failed", trouble={"fault": "host", "code": "disk", "message": "Disk full."})
    assert codes(order) == ["backed_off"]
    assert "Disk full." in said(order)
    assert "Disk full." not in said(order, staff=False)
    Task.objects.filter(pk=task.pk).update(not_before=timezone.now() - timedelta(seconds=1))
    assert codes(order) == ["starting"]


def test_no_writer_host_takes_the_download(school, line, seen):
    seen(line.writer, 0, draining=True)
    order = school.place()
    line.build(order)
    assert codes(order) == ["no_writer"]
    assert line.task(order, Kind.DOWNLOAD).host is None


@pytest.mark.parametrize(
    ("seconds", "fields", "code"),
    [
        (None, {}, "host_unseen"),
        (2 * MINUTE, {}, "host_silent"),
        (99 * MINUTE, {}, "host_silent"),
        (99 * MINUTE, {"draining": True}, "host_silent"),
        (0, {"draining": True}, "host_draining"),
        (99 * MINUTE, {"disabled": True}, "host_disabled"),
        (0, {}, "starting"),
    ],
)
@pytest.mark.parametrize("kind", [Kind.DOWNLOAD, Kind.WRITE])
def test_what_is_pinned_waits_for_its_host(school, line, seen, kind, seconds, fields, code):
    order = school.place()
    line.build(order)
    if kind is Kind.WRITE:
        line.download(order)
        slot = make.slot(line.writer)
        tasks.confirm(slot, diskseq=slot.diskseq, boot_id=slot.boot_id, by="operator")
    seen(line.writer, seconds, **fields)
    [reason] = why_waiting(order)
    assert (reason.code, reason.kind) == (code, kind)
    assert reason.units == ((1,) if kind is Kind.WRITE else ())
    assert line.writer.name not in reason.words(staff=False)
    assert code == "starting" or line.writer.name in reason.words(staff=True)


def test_downloads_of_a_host_queue(school, line, seen):
    first, second = school.place(), school.place()
    line.build(first)
    line.build(second)
    seen(line.writer)
    assert (codes(first), codes(second)) == (["starting"], ["host_busy"])
    line.claim(line.task(first, Kind.DOWNLOAD))
    assert (codes(first), codes(second)) == ([], ["host_busy"])
    line.report(line.task(first, Kind.DOWNLOAD), outcome="done", result={})
    assert codes(second) == ["starting"]


def test_cards_are_needed_in_the_slots_that_are_free(line, downloaded):
    order = downloaded()
    assert codes(order) == ["slots_taken"]
    make.slot(line.writer, "A", present=False, diskseq=None)
    make.slot(line.writer, "B", disabled=True)
    make.slot(line.writer, "C", present=False, problem="No reader.")
    [reason] = why_waiting(order)
    assert (reason.code, reason.units) == ("card_needed", (1, 2))
    assert f"station {line.writer}, in one of the slots: A." in reason.words(staff=True)
    assert reason.words(staff=False) == "A card must be inserted at the station."


def test_a_card_that_nobody_confirmed_yet(line, downloaded):
    order = downloaded()
    make.slot(line.writer, "A")
    make.slot(line.writer, "B", present=False, diskseq=None)
    assert codes(order) == ["card_unconfirmed"]
    assert "in the slots: A." in said(order)


def test_a_written_card_in_the_slot_must_make_room(line, downloaded):
    order = downloaded()
    line.write(order, 1)
    slot = Slot.objects.get()
    [reason] = why_waiting(order)
    assert (reason.code, reason.units) == ("card_needed", (2,))
    assert slot.name in reason.words(staff=True)


def test_a_slot_at_work_is_not_free(line, downloaded):
    order = downloaded()
    line.insert(order, 1)
    [reason] = why_waiting(order)
    assert (reason.code, reason.units) == ("slots_taken", (2,))


def test_the_station_is_away(line, downloaded, seen):
    order = downloaded()
    make.slot(line.writer, "A")
    seen(line.writer, 20 * MINUTE)
    [reason] = why_waiting(order)
    assert (reason.code, reason.units) == ("host_silent", (1, 2))


def test_running_on_a_host_that_has_gone(school, line, seen):
    order = school.place()
    task = line.claim(line.task(order, Kind.CREATE))
    assert codes(order) == []
    Task.objects.filter(pk=task.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert codes(order) == ["running_silent"]
    assert line.creator.name in said(order)
    assert line.creator.name not in said(order, staff=False)


def test_a_cancel_that_was_not_heard(school, line):
    order = school.place()
    task = line.claim(line.task(order, Kind.CREATE))
    services.cancel(order, by=school.member)
    assert codes(order) == ["cancel_asked"]
    line.report(task, outcome="canceled")
    assert codes(order) == []


def test_what_is_over_waits_for_nothing(school, line, downloaded):
    order = downloaded(1)
    line.write(order, 1)
    assert codes(order) == []
    failed = school.place()
    line.fail(line.claim(line.task(failed, Kind.CREATE)))
    assert codes(failed) == []


@pytest.mark.parametrize("quantity", [1, 3])
def test_four_queries_whatever_the_number_of_cards(line, downloaded, django_assert_max_num_queries, quantity):
    order = downloaded(quantity)
    for name in "ABC":
        make.slot(line.writer, name)
    with django_assert_max_num_queries(3):  # tasks, clock, slots
        why_waiting(order)


@pytest.mark.parametrize(("heard_of", "queries", "told"), [(False, 5, "no_creator"), (True, 3, "starting")])
def test_a_build_takes_as_many_queries_whatever_the_number_of_creators(
    school, line, seen, django_assert_num_queries, heard_of, queries, told
):
    """Tasks, clock, creators that are idle; if there are none: whether any is at work, and who they are."""
    order = school.place()
    for number in range(3):
        host = make.host(Host.Kind.CREATOR)
        if heard_of and number:
            seen(host, 0)
    with django_assert_num_queries(queries):
        assert codes(order) == [told]


def test_of_many_creators_that_are_away_some_are_named(school, line):
    order = school.place()
    for _ in range(NAMED + 5):
        make.host(Host.Kind.CREATOR)
    (reason,) = why_waiting(order)
    assert reason.words(staff=True).count("(never seen)") == NAMED
    assert "…" in reason.words(staff=True)


def test_places_and_times_are_told_in_a_query_each(school, line, downloaded, django_assert_num_queries):
    from tasks_app.queries import progress

    order = downloaded(3)
    for name in "ABC":
        slot = make.slot(line.writer, name)
        tasks.confirm(slot, diskseq=slot.diskseq, boot_id=slot.boot_id, by="operator")
    with django_assert_num_queries(2):
        places = [stage.position for stage in progress(order)]
    assert places == [None, None, 1, 2, 3]


def test_a_task_without_a_host_has_no_place(school, line, seen):
    seen(line.writer, 0, draining=True)
    order = school.place()
    line.build(order)
    from tasks_app.queries import progress

    assert [stage.position for stage in progress(order)] == [None, None]


def test_pages_and_api_say_it_to_each_in_his_words(school, line, staff, member, downloaded):
    order = downloaded()
    make.slot(line.writer, "A", present=False, diskseq=None)
    url = order.get_absolute_url()
    assert f"A card is needed at station {line.writer}" in Page(staff.get(url).text).words
    words = Page(member.get(url).text).words
    assert "What it is waiting for A card must be inserted at the station." in words
    assert line.writer.name not in words
    for user, text in ((school.member, "inserted at the station"), (school.staff, line.writer.name)):
        api = APIClient()
        api.force_authenticate(user)
        [entry] = api.get(f"/api/v1/orders/{order.pk}/").data["waiting"]
        assert (entry["code"], entry["kind"], entry["units"]) == ("card_needed", "write", [1, 2])
        assert text in entry["detail"]


def test_trouble_in_words_of_a_host_is_escaped(school, line, staff):
    order = school.place()
    task = line.claim(line.task(order, Kind.CREATE))
    trouble = {"fault": "host", "code": "x", "message": "<script>alert(1)</script> 100 %(x)s %"}
    line.report(task, outcome="failed", trouble=trouble)
    page = Page(staff.get(order.get_absolute_url()).text)
    assert "<script>alert" not in page.html
    assert "<script>alert(1)</script> 100 %(x)s %" in page.words


def test_each_reason_speaks_both_languages():
    from django.utils import translation

    facts = {
        "channel": "c",
        "hosts": "h",
        "host": "h",
        "position": 1,
        "time": "t",
        "trouble": "t",
        "slots": "s",
    }
    for code, pair in REASONS.items():
        for words in pair:
            with translation.override("en"):
                english = str(words % facts)
            with translation.override("fr"):
                assert str(words % facts) != english, code


def test_statuses_that_wait_are_all_looked_at():
    from tasks_app.lifecycle import OPEN

    assert {TaskStatus.WAITING, TaskStatus.QUEUED, TaskStatus.RUNNING} == OPEN
