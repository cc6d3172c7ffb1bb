"""The test of the tests: each wall, taken down from outside, lets through what the storm looks for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, connections, transaction

from imager.accounts import ledger
from orders import flow, placing
from orders.lifecycle import OrderStatus
from orders.models import Configuration, Order
from tasks_app import services
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Task
from tasks_app.services import attempts, cards, ending, moving, publishing, relocating, sweeping
from tests import factories as make
from tests.acceptance.chaos.storm import controls
from tests.acceptance.chaos.storm.verdict import QUERIES
from workers.contract import Answer, Kind
from workers.errors import SlotError
from workers.writer import card as card_module
from workers.writer import slots
from workers.writer.slots import SlotConfig, open_card

FAILED = {"fault": "job", "code": "x", "message": "No."}


@pytest.fixture
def down(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Take a wall down; it stands again after the test."""
    for module in (attempts, cards, ending, moving, publishing, relocating, sweeping, flow):
        for name in ("lock", "lock_order", "current"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, getattr(module, name))
    monkeypatch.setattr(ledger, "hold", ledger.hold)
    monkeypatch.setattr(slots, "_lock", slots._lock)
    monkeypatch.setattr(card_module, "_lock", card_module._lock)
    return controls.switch_off


def found(sentence: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(QUERIES[sentence])
        return list(cursor.fetchall())


def at_once(first: Callable[[], object], second: Callable[[], object]) -> None:
    """`second` runs while the transaction of `first` is open: to its end, or until it waits for it."""
    done = threading.Event()
    failures: list[BaseException] = []

    def other() -> None:
        try:
            second()
        except BaseException as error:  # noqa: BLE001 - raised again below
            failures.append(error)
        finally:
            connections.close_all()
            done.set()

    thread = threading.Thread(target=other)
    with transaction.atomic():
        first()
        thread.start()
        while not done.wait(0.02) and not waiting():
            pass
    thread.join()
    if failures:
        raise failures[0]


def waiting() -> bool:
    """Whether somebody waits for a lock in our database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        row = cursor.fetchone()
        return bool(row and row[0])


def test_queries_of_the_verdict_are_understood(db):
    for sentence in QUERIES:
        assert found(sentence) == []


@pytest.mark.parametrize("fenced", [True, False])
def test_a_late_report(db, down, fenced):
    sentence = "an event was taken in from an attempt that had ended otherwise"
    if not fenced:
        down("fence")
    task, creator = make.task(), make.host()
    services.claim(task.pk, creator, make.claim_body())
    with transaction.atomic():
        ending.give_back(moving.lock(task.pk), outcome="lost", by="test")
    services.claim(task.pk, creator, make.claim_body())

    answer = services.report(task.pk, creator, make.report_body(1, outcome="failed", trouble=FAILED))

    assert answer is (Answer.STALE if fenced else Answer.GO)
    assert bool(found(sentence)) is not fenced


@pytest.mark.parametrize("locked", [True, False])
def test_two_cards_that_finish_at_once(transactional_db, down, locked):
    if not locked:
        down("row lock")
    order = make.order(quantity=2, status=OrderStatus.WRITING)
    writer = make.host("writer")
    tasks = [make.task(order, Kind.WRITE, unit=unit, host=writer) for unit in (1, 2)]
    for task, name in zip(tasks, "AB", strict=True):
        slot = make.slot(writer, name)
        facts = {"slot": slot, "confirmed_diskseq": slot.diskseq, "confirmed_boot_id": slot.boot_id}
        Task.objects.filter(pk=task.pk).update(**facts)
        services.claim(task.pk, writer, make.claim_body())
        body = {
            "event_id": make.report_body()["event_id"],
            "attempt": 1,
            "slot": name,
            "boot_id": slot.boot_id,
        }
        services.permit(task.pk, writer, {**body, "diskseq": slot.diskseq, "card_bytes": slot.card_bytes})

    def finish(task: Task) -> Callable[[], object]:
        return lambda: services.report(task.pk, writer, make.report_body(1, outcome="done", result={}))

    at_once(finish(tasks[0]), finish(tasks[1]))

    assert {task.status for task in Task.objects.filter(order=order)} == {TaskStatus.DONE}
    order.refresh_from_db()
    assert order.status == (OrderStatus.READY_TO_SHIP if locked else OrderStatus.WRITING)


@pytest.mark.parametrize("unique", [True, False])
def test_one_key_in_two_requests_at_once(transactional_db, down, monkeypatch, unique):
    """Three walls: the organization's lock, behind it the constraint, and the lines of the units' ledger."""
    person = make.user()
    configuration = make.configuration(person.organization)
    media = make.media("virtual")

    def place() -> None:
        fresh = Configuration.objects.get(pk=configuration.pk)
        placing.place(
            fresh, by=person, kind="virtual", media=media, quantity=1, idempotency_key="k", request_digest="d"
        )

    if unique:
        at_once(place, place)
        assert Order.objects.count() == 1
        return
    down("row lock")
    monkeypatch.setattr(ledger, "reserve", lambda *_args, **_more: None)
    with without("orders_order", "order_once_per_idempotency_key"):
        at_once(place, place)
        assert Order.objects.count() == 2
        assert found("two orders have one key")
        Order.objects.update(idempotency_key=None)


@contextmanager
def without(table: str, name: str) -> Iterator[None]:
    """The unique constraint is away meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", [name])
        (definition,) = cursor.fetchone()
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")


@pytest.mark.parametrize("locked", [True, False])
def test_two_processes_at_one_card(tmp_path, down, locked):
    if not locked:
        down("slot lock")
    path = tmp_path / "card.img"
    with path.open("wb") as file:
        file.truncate(1 << 20)
    slot = SlotConfig(name="A", device=str(path))

    def take():
        return open_card(slot, expect_diskseq=None, lock_dir=tmp_path / "locks")

    with take() as first:
        if locked:
            with pytest.raises(SlotError, match="is being written"):
                take()
        else:
            with take() as second:
                assert second.identity().is_same_as(first.identity())
