"""What pages and the API ask about tasks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Protocol
from uuid import UUID

from django.db.models import F, OuterRef
from django.db.models.functions import Now

from imager import clock
from tasks_app import buses, forecast
from tasks_app.buses import BusNote
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Card, Host, Slot, Task
from tasks_app.places import LARGE, count_of, with_places
from tasks_app.presence import Presence, heard, presence
from tasks_app.services.moving import Order
from tasks_app.waiting import Reason, why_waiting
from workers.contract import Kind, Step, Trouble

__all__ = [
    "Reason",
    "StageProgress",
    "Station",
    "Tile",
    "progress",
    "progress_of",
    "silent",
    "station",
    "stations",
    "why_waiting",
]


AT_WORK: Final = (TaskStatus.QUEUED, TaskStatus.RUNNING)


class OrderOfMedia(Order, Protocol):
    """An order, and the media that its cards are: all that this room reads of orders, in SQL too.

    It stays there: a copy on each card would be a second truth, and grouping must happen in the database.
    """

    @property
    def media_id(self) -> int: ...


@dataclass(frozen=True)
class StageProgress:
    """One task as people see it. Sizes in bytes, rate in bytes per second.

    `eta`: seconds until the task is done, for cards with the reading back.
    """

    task: UUID
    kind: str
    unit: int
    status: str
    step: str
    done: int
    total: int | None
    rate: float | None
    eta: float | None
    position: int | None  # in its queue, 1 = next
    host: str
    slot: str
    attempt: int
    trouble: Trouble | None

    @property
    def percent(self) -> int | None:
        """How far the current step is, 0 to 100, if its size is known."""
        if self.status == TaskStatus.DONE:
            return 100
        return min(100, self.done * 100 // self.total) if self.total else None

    @property
    def status_label(self) -> str:
        """The status, translated."""
        return str(TaskStatus(self.status).label)

    @property
    def step_label(self) -> str:
        """The step, translated."""
        from tasks_app.words import STEPS

        return str(STEPS[Step(self.step)]) if self.step else ""


def progress(order: OrderOfMedia) -> list[StageProgress]:
    """The order's tasks, in the order of work."""
    rank = {Kind.CREATE: 0, Kind.DOWNLOAD: 1, Kind.WRITE: 2}
    mine = with_places(Task.objects.filter(order_id=order.pk))
    tasks = list(mine.select_related("host", "slot"))
    tasks.sort(key=lambda task: (rank[Kind(task.kind)], task.unit))
    left = _left_of(tasks, order.media_id)
    return [progress_of(task, left.get(task.pk, task.progress_eta)) for task in tasks]


def _left_of(tasks: list[Task], media: int) -> dict[UUID, float | None]:
    """Seconds that the cards of an order still take, by task, for those that are at work or about to be."""
    cards = [task for task in tasks if task.kind == Kind.WRITE and task.status in AT_WORK and task.host_id]
    if not cards:
        return {}
    past = forecast.history(task.host_id for task in cards if task.host_id)
    mapped = next((forecast.mapped_in(task.result) for task in tasks if task.kind == Kind.CREATE), None)
    return {
        task.pk: forecast.left(task, forecast.pace_of(past, task.slot_id, media), mapped) for task in cards
    }


def progress_of(task: Task, eta: float | None) -> StageProgress:
    """One task; its host and slot should be selected with it, and its place by `with_places`.

    `eta`: seconds until the whole task is done.
    """
    return StageProgress(
        task=task.pk,
        kind=task.kind,
        unit=task.unit,
        status=task.status,
        step=task.step,
        done=task.progress_done,
        total=task.progress_total,
        rate=task.progress_rate,
        eta=eta,
        position=getattr(task, "place", None),  # see `with_places`
        host=task.host.name if task.host else "",
        slot=task.slot.name if task.slot else "",
        attempt=task.attempt,
        trouble=task.trouble,
    )


@dataclass(frozen=True)
class Tile:
    """A slot as the operator sees it.

    `state` is one of: empty, confirm, queued, working, remove (written before), discard (bad card), idle,
    problem, quarantined, disabled. `card` is what was made of the insertion that is in the slot, if anything
    was. `bus` is known for readers on USB. `takes`: seconds that the card would take.
    """

    slot: Slot
    state: str
    task: StageProgress | None
    order: Any  # the order, or None
    message: str
    card: Card | None = None
    bus: BusNote | None = None
    takes: float | None = None


@dataclass(frozen=True)
class Station:
    """A writer host, whether it is there, and how many cards it waits for."""

    host: Host
    presence: Presence
    waiting: int


def stations() -> list[Station]:
    """The writer hosts."""
    mine = Task.objects.filter(host=OuterRef("pk"), kind=Kind.WRITE, status=TaskStatus.WAITING)
    hosts = Host.objects.filter(kind=Host.Kind.WRITER).annotate(waiting=count_of(mine), asked_at=Now())
    return [
        Station(host, presence(host, host.asked_at), host.waiting) for host in hosts.select_related("channel")
    ]


def silent(host: Host) -> bool:
    """Whether the host was not heard of for so long that what it last said may be wrong."""
    return not heard(host, clock.now())


def station(host: Host) -> dict[str, object]:
    """The tiles of a station, and the units that wait for a card, in the order in which they get one."""
    waiting = list(
        Task.objects.filter(host=host, kind=Kind.WRITE, status=TaskStatus.WAITING)
        .select_related("order", "order__media")
        .defer(*LARGE)
        .order_by("priority", "order__created_at", "unit")
    )
    busy = {
        task.slot_id: task
        for task in with_places(Task.objects.filter(host=host, slot__isnull=False, status__in=AT_WORK))
        .select_related("order", "host", "slot")
        .defer(*LARGE)
    }
    inserted = Card.objects.filter(
        slot__host=host, slot__present=True, diskseq=F("slot__diskseq"), boot_id=F("slot__boot_id")
    )
    cards = {
        card.slot_id: card for card in inserted.select_related("order").defer(*LARGE).order_by("permitted_at")
    }
    slots = list(Slot.objects.filter(host=host).select_related("host"))
    wanted = [] if host.draining or host.disabled else waiting  # it takes no card now
    foreseen = Foreseen(host, [*busy.values(), *wanted[:1]])
    links = buses.notes(slots)
    tiles = [_tile(slot, busy.get(slot.pk), wanted, cards.get(slot.pk), foreseen) for slot in slots]
    return {
        "waiting": waiting,
        "tiles": [replace(tile, bus=links.get(tile.slot.pk)) for tile in tiles],
    }


class Foreseen:
    """What the cards of a station will take. Two queries, or none where no card is at hand."""

    def __init__(self, host: Host, tasks: list[Task]) -> None:
        self._past = forecast.history([host.pk]) if tasks else {}
        self._mapped = forecast.mapped_of(task.order_id for task in tasks) if tasks else {}

    def left(self, task: Task) -> float | None:
        """Seconds that a task of a slot still takes."""
        pace = forecast.pace_of(self._past, task.slot_id, task.order.media_id)
        return forecast.left(task, pace, self._mapped.get(task.order_id))

    def takes(self, slot: Slot, task: Task) -> float | None:
        """Seconds that a task would take in this slot."""
        pace = forecast.pace_of(self._past, slot.pk, task.order.media_id)
        return forecast.lasts(pace, self._mapped.get(task.order_id))


def _tile(slot: Slot, busy: Task | None, waiting: list[Task], card: Card | None, foreseen: Foreseen) -> Tile:
    if busy:
        state = "working" if busy.status == TaskStatus.RUNNING else "queued"
        return Tile(slot, state, progress_of(busy, foreseen.left(busy)), busy.order, "", card)
    if slot.disabled:
        return Tile(slot, "disabled", None, None, "")
    if slot.quarantined_at:
        return Tile(slot, "quarantined", None, None, slot.quarantine_note, card)
    if slot.used:
        return _used(slot, card)
    if slot.present and slot.problem:
        return Tile(slot, "problem", None, None, slot.problem)
    if slot.present and waiting:
        return Tile(slot, "confirm", None, waiting[0].order, "", takes=foreseen.takes(slot, waiting[0]))
    if slot.present:
        return Tile(slot, "idle", None, None, "")
    return Tile(slot, "empty", None, waiting[0].order if waiting else None, slot.problem)


def _used(slot: Slot, card: Card | None) -> Tile:
    """The card in the slot was written before, well or badly: it must be taken out."""
    state = "discard" if card and card.verdict == Card.Verdict.BAD else "remove"
    message = str((card.trouble or {}).get("message", "")) if card else ""
    return Tile(slot, state, None, card.order if card else None, message, card)
