"""What pages and the API ask about tasks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Q
from django.db.models.functions import Now

from imager import clock
from tasks_app import buses
from tasks_app.buses import BusNote
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Card, Host, Slot, Task
from tasks_app.places import with_places
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


@dataclass(frozen=True)
class StageProgress:
    """One task as people see it. Sizes in bytes, rate in bytes per second, eta in seconds."""

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


def progress(order: Order) -> list[StageProgress]:
    """The order's tasks, in the order of work."""
    rank = {Kind.CREATE: 0, Kind.DOWNLOAD: 1, Kind.WRITE: 2}
    mine = with_places(Task.objects.filter(order_id=order.pk))
    tasks = list(mine.select_related("host", "slot"))
    tasks.sort(key=lambda task: (rank[Kind(task.kind)], task.unit))
    return [progress_of(task) for task in tasks]


def progress_of(task: Task) -> StageProgress:
    """One task; its host and slot should be selected with it, and its place by `with_places`."""
    return StageProgress(
        task=task.pk,
        kind=task.kind,
        unit=task.unit,
        status=task.status,
        step=task.step,
        done=task.progress_done,
        total=task.progress_total,
        rate=task.progress_rate,
        eta=task.progress_eta,
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
    was. `bus` is known for readers on USB.
    """

    slot: Slot
    state: str
    task: StageProgress | None
    order: Any  # the order, or None
    message: str
    card: Card | None = None
    bus: BusNote | None = None


@dataclass(frozen=True)
class Station:
    """A writer host, whether it is there, and how many cards it waits for."""

    host: Host
    presence: Presence
    waiting: int


def stations() -> list[Station]:
    """The writer hosts."""
    waiting = Count("tasks", filter=Q(tasks__kind=Kind.WRITE, tasks__status=TaskStatus.WAITING))
    hosts = Host.objects.filter(kind=Host.Kind.WRITER).annotate(waiting=waiting, asked_at=Now())
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
        .order_by("priority", "order__created_at", "unit")
    )
    busy = {
        task.slot_id: task
        for task in with_places(
            Task.objects.filter(
                host=host, slot__isnull=False, status__in=[TaskStatus.QUEUED, TaskStatus.RUNNING]
            )
        ).select_related("order", "host", "slot")
    }
    inserted = Card.objects.filter(
        slot__host=host, slot__present=True, diskseq=F("slot__diskseq"), boot_id=F("slot__boot_id")
    )
    cards = {card.slot_id: card for card in inserted.select_related("order").order_by("permitted_at")}
    slots = list(Slot.objects.filter(host=host).select_related("host"))
    links = buses.notes(slots)
    wanted = [] if host.draining or host.disabled else waiting  # it takes no card now
    return {
        "waiting": waiting,
        "tiles": [
            replace(_tile(slot, busy.get(slot.pk), wanted, cards.get(slot.pk)), bus=links.get(slot.pk))
            for slot in slots
        ],
    }


def _tile(slot: Slot, busy: Task | None, waiting: list[Task], card: Card | None) -> Tile:
    if busy:
        state = "working" if busy.status == TaskStatus.RUNNING else "queued"
        return Tile(slot, state, progress_of(busy), busy.order, "", card)
    if slot.disabled:
        return Tile(slot, "disabled", None, None, "")
    if slot.quarantined_at:
        return Tile(slot, "quarantined", None, None, slot.quarantine_note, card)
    if slot.used:
        return _used(slot, card)
    if slot.present and slot.problem:
        return Tile(slot, "problem", None, None, slot.problem)
    if slot.present:
        return Tile(slot, "confirm" if waiting else "idle", None, waiting[0].order if waiting else None, "")
    return Tile(slot, "empty", None, waiting[0].order if waiting else None, slot.problem)


def _used(slot: Slot, card: Card | None) -> Tile:
    """The card in the slot was written before, well or badly: it must be taken out."""
    state = "discard" if card and card.verdict == Card.Verdict.BAD else "remove"
    message = str((card.trouble or {}).get("message", "")) if card else ""
    return Tile(slot, state, None, card.order if card else None, message, card)
