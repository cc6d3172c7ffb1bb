"""Two at the same moment, in either order, with real threads and real transactions.

`overtaken(first, second)`: `first` has done its work but not yet committed; `second` begins, and is held up
by the locks of `first` (PostgreSQL says so); then `first` commits, and `second` goes on.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from imager.api import Problem
from tasks_app import bells, services
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Attempt, Card, RefusedReport, Slot, Task
from tasks_app.services import sweeping
from tests import factories as make
from workers.contract import PROTOCOL, Answer, Kind

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 20  # seconds until a test gives up; no test waits for it when all is well
LONG_AGO = timezone.now() - timedelta(days=3)


def held_up() -> bool:
    """Whether somebody waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])


def alone(action: Callable[[], Any]) -> Any:
    """`action` in this thread, whose connection is closed afterwards."""
    try:
        return action()
    finally:
        connection.close()


def overtaken(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Any, Future[Any]]:
    """What `first` returned, and the future of `second`, which waited for the commit of `first`."""
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            one = first()
            two = pool.submit(alone, second)
            end = time.monotonic() + PATIENCE
            while not held_up():
                assert not two.done(), "the second did not wait for the first"
                assert time.monotonic() < end
        two.exception(PATIENCE)
    return one, two


def meanwhile(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Any, Future[Any]]:
    """As `overtaken`, but `second` does not wait: it is over before `first` commits. Then once more."""
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            one = first()
            two = pool.submit(alone, second)
            assert two.result(PATIENCE) is False
        two = pool.submit(alone, second)
        two.exception(PATIENCE)
    return one, two


def together(*actions: Callable[[], Any]) -> list[BaseException | None]:
    """What each raised, all begun at the same moment."""
    start = threading.Barrier(len(actions))

    def run(action: Callable[[], Any]) -> None:
        start.wait(PATIENCE)
        alone(action)

    with ThreadPoolExecutor(len(actions)) as pool:
        return [future.exception(PATIENCE) for future in [pool.submit(run, action) for action in actions]]


@pytest.fixture
def lost():
    """A build whose host has not been heard of for so long that the sweep gives it to another."""
    make.warehouse()
    task, host = make.task(), make.host()
    services.claim(task.pk, host, make.claim_body())
    Task.objects.update(lease_expires_at=LONG_AGO, reclaim_at=LONG_AGO)
    return task, host


@pytest.fixture
def writer():
    return make.host("writer")


def unit(writer, number: int, order=None) -> Task:
    order = order or make.order(quantity=2)
    return make.task(order, Kind.WRITE, host=writer, unit=number, status=TaskStatus.WAITING)


def confirm(slot) -> Task:
    return services.confirm(slot, diskseq=slot.diskseq, boot_id=slot.boot_id, by="operator")


def permit(task, slot, **fields) -> str:
    body = {
        "slot": slot.name,
        "diskseq": slot.diskseq,
        "boot_id": slot.boot_id,
        "card_bytes": slot.card_bytes,
    }
    event = {"event_id": str(uuid.uuid4()), "attempt": 1}
    return services.permit(task.pk, slot.host, {**event, **body, **fields})


def test_a_progress_report_before_the_sweep_saves_the_attempt(lost):
    task, host = lost

    answer, swept = meanwhile(
        lambda: services.report(task.pk, host, make.report_body()), lambda: sweeping._reclaim(task.pk)
    )

    assert (answer, swept.result()) == (Answer.GO, False)
    task.refresh_from_db()
    assert (task.status, task.attempt) == (TaskStatus.RUNNING, 1)


def test_a_progress_report_after_the_sweep_is_stale(lost):
    task, host = lost

    swept, answer = overtaken(
        lambda: sweeping._reclaim(task.pk), lambda: services.report(task.pk, host, make.report_body())
    )

    assert (swept, answer.result()) == (True, Answer.STALE)
    task.refresh_from_db()
    assert (task.status, task.lost_attempts) == (TaskStatus.QUEUED, 1)
    assert RefusedReport.objects.count() == 1


def last_report(task, host) -> Answer:
    trouble = {"fault": "job", "code": "x", "message": "The recipe is wrong."}
    return services.report(task.pk, host, make.report_body(outcome="failed", trouble=trouble))


def test_a_last_report_before_the_sweep_counts(lost):
    task, host = lost

    answer, swept = meanwhile(lambda: last_report(task, host), lambda: sweeping._reclaim(task.pk))

    assert (answer, swept.result()) == (Answer.GO, False)
    task.refresh_from_db()
    assert task.status == TaskStatus.FAILED
    assert Attempt.objects.get().outcome == "failed"


def test_a_last_report_after_the_sweep_is_stale(lost):
    task, host = lost

    swept, answer = overtaken(lambda: sweeping._reclaim(task.pk), lambda: last_report(task, host))

    assert (swept, answer.result()) == (True, Answer.STALE)
    task.refresh_from_db()
    assert task.status == TaskStatus.QUEUED
    assert Attempt.objects.get().outcome == "lost"


def test_two_sweeps_end_an_attempt_once(lost):
    task, _ = lost

    assert together(sweeping.reclaim, sweeping.reclaim) == [None, None]

    task.refresh_from_db()
    assert (task.status, task.lost_attempts) == (TaskStatus.QUEUED, 1)
    assert [move.went_to for move in task.moves.all()] == ["queued", "running", "queued"]


def test_two_slots_confirmed_at_once_serve_two_units(writer):
    order = make.order(quantity=2)
    units = [unit(writer, number, order) for number in (1, 2)]
    slots = [make.slot(writer, name) for name in "AB"]

    first, second = overtaken(lambda: confirm(slots[0]), lambda: confirm(slots[1]))

    assert (first.pk, second.result().pk) == (units[0].pk, units[1].pk)
    assert dict(Task.objects.values_list("unit", "slot__name")) == {1: "A", 2: "B"}


def test_a_confirmation_that_comes_late_does_not_touch_the_card_that_is_being_written(writer):
    task = unit(writer, 1)
    slots = [make.slot(writer, name) for name in "AB"]

    def confirm_and_claim() -> None:
        confirm(slots[0])
        services.claim(task.pk, writer, make.claim_body())

    _, second = overtaken(confirm_and_claim, lambda: confirm(slots[1]))

    assert isinstance(second.exception(), Problem)
    assert second.exception().detail.code == "nothing_waits"
    task.refresh_from_db()
    assert (task.status, task.slot) == (TaskStatus.RUNNING, slots[0])


def test_a_confirmation_after_a_cancel_finds_nothing(writer):
    task = unit(writer, 1)
    slot = make.slot(writer)

    _, confirmed = overtaken(lambda: services.cancel_tasks(task.order, by="member"), lambda: confirm(slot))

    assert confirmed.exception().detail.code == "nothing_waits"
    task.refresh_from_db()
    assert task.status == TaskStatus.CANCELED


@pytest.fixture
def claimed(writer):
    """A unit that is about to be written: confirmed and claimed, not yet permitted."""
    task, slot = unit(writer, 1), make.slot(writer)
    confirm(slot)
    services.claim(task.pk, writer, make.claim_body())
    return task, slot


def test_no_permit_once_the_cancel_is_there(claimed):
    task, slot = claimed

    _, permitted = overtaken(
        lambda: services.cancel_tasks(task.order, by="member"), lambda: permit(task, slot)
    )

    assert permitted.exception().detail.code == "canceled"
    assert not Card.objects.exists()


def test_a_cancel_after_the_permit_leaves_a_card_to_be_taken_out(claimed):
    task, slot = claimed

    overtaken(lambda: permit(task, slot), lambda: services.cancel_tasks(task.order, by="member"))
    answer = services.report(task.pk, slot.host, make.report_body(outcome="canceled"))

    task.refresh_from_db()
    slot.refresh_from_db()
    assert (answer, task.status) == (Answer.GO, TaskStatus.CANCELED)
    assert (Card.objects.get().verdict, slot.used) == ("abandoned", True)


def test_a_card_accepted_before_the_cancel_stays_accepted(claimed):
    task, slot = claimed
    permit(task, slot)

    overtaken(
        lambda: services.report(task.pk, slot.host, make.report_body(outcome="done", result={"slot": "A"})),
        lambda: services.cancel_tasks(task.order, by="member"),
    )

    task.refresh_from_db()
    assert (task.status, task.cancel_requested_at) == (TaskStatus.DONE, None)
    assert Card.objects.get().verdict == "accepted"


def test_beats_confirmations_and_permits_at_once_block_nobody_for_good(claimed, writer):
    task, slot = claimed
    second = unit(writer, 2, task.order)
    other = make.slot(writer, "B")
    states = [
        {"name": one.name, "present": True, "size": one.card_bytes, "diskseq": one.diskseq}
        | {"model": "", "contents": "", "problem": ""}
        for one in (slot, other)
    ]
    body = {
        "kind": "write",
        "boot_id": "boot",
        "version": "1",
        "protocol": PROTOCOL,
        "free_bytes": 1,
        "running": [],
    }

    errors = together(
        *(lambda: services.beat(writer, {**body, "slots": states}) for _ in range(3)),
        lambda: permit(task, slot),
        lambda: confirm(other),
    )

    assert errors == [None] * 5
    second.refresh_from_db()
    assert second.status == TaskStatus.QUEUED
    assert Card.objects.count() == 1


def test_the_first_beats_of_a_host_at_once_make_each_slot_once(writer):
    state = {"name": "A", "present": False, "size": 0, "diskseq": None}
    state |= {"model": "", "contents": "", "problem": ""}

    body = {
        "kind": "write",
        "boot_id": "boot",
        "version": "1",
        "protocol": PROTOCOL,
        "free_bytes": 1,
        "running": [],
    }

    def see() -> None:
        services.beat(writer, {**body, "slots": [state]})

    _, second = overtaken(see, see)

    assert second.exception() is None
    assert list(Slot.objects.values_list("name", flat=True)) == ["A"]


def test_a_broker_that_hangs_keeps_nobody_from_claiming():
    task, host = make.task(), make.host()
    ringing, claimed = threading.Event(), threading.Event()

    class Hanging:
        """The broker's edge: takes a bell only after somebody has claimed."""

        def send_task(self, *_: object, **__: object) -> None:
            ringing.set()
            assert claimed.wait(PATIENCE)

    with ThreadPoolExecutor(1) as pool:
        rung = pool.submit(alone, lambda: bells.ring_tasks(Hanging()))
        assert ringing.wait(PATIENCE)
        try:
            services.claim(task.pk, host, make.claim_body())
        finally:
            claimed.set()
        assert rung.result(PATIENCE) == 1
    task.refresh_from_db()
    assert task.status == TaskStatus.RUNNING


@pytest.fixture
def confirmed(writer):
    """A unit whose card is confirmed, and that nobody has claimed yet."""
    task, slot = unit(writer, 1), make.slot(writer)
    confirm(slot)
    return task, slot


def claim(task, host):
    return services.claim(task.pk, host, make.claim_body())


def test_a_confirmation_taken_back_before_the_claim(confirmed, writer):
    task, _ = confirmed

    _, claimed = overtaken(lambda: services.unconfirm(task, by="staff"), lambda: claim(task, writer))

    assert claimed.exception().detail.code == "not_ready"
    task.refresh_from_db()
    assert (task.status, task.slot, task.attempt) == (TaskStatus.WAITING, None, 0)


def test_a_confirmation_cannot_be_taken_back_after_the_claim(confirmed, writer):
    task, slot = confirmed

    _, taken_back = overtaken(lambda: claim(task, writer), lambda: services.unconfirm(task, by="staff"))

    assert taken_back.exception().detail.code == "not_confirmed"
    task.refresh_from_db()
    assert (task.status, task.slot) == (TaskStatus.RUNNING, slot)


def test_a_download_that_was_moved_before_the_claim_is_not_the_old_host_s(writer):
    task, other = make.task(kind=Kind.DOWNLOAD, host=writer), make.host("writer")

    _, claimed = overtaken(lambda: services.relocate(task, to=other, by="staff"), lambda: claim(task, writer))

    assert claimed.exception().detail.code == "not_yours"
    task.refresh_from_db()
    assert (task.status, task.host, task.attempt) == (TaskStatus.QUEUED, other, 0)


def test_a_download_that_is_moved_after_the_claim_is_fenced(writer):
    task, other = make.task(kind=Kind.DOWNLOAD, host=writer), make.host("writer")

    overtaken(lambda: claim(task, writer), lambda: services.relocate(task, to=other, by="staff"))

    task.refresh_from_db()
    assert (task.status, task.host) == (TaskStatus.QUEUED, other)
    assert services.report(task.pk, writer, make.report_body(outcome="done", result={})) is Answer.STALE
    assert Attempt.objects.get().outcome == "moved"
