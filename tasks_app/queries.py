"""What pages and the API ask about tasks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Q

from imager.accounts.models import Channel
from tasks_app import clock
from tasks_app.lifecycle import OPEN, TaskStatus
from tasks_app.models import Card, Host, Slot, Task
from tasks_app.services.moving import Order
from workers.contract import LEASE, Kind, Step, Trouble


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
    tasks = list(Task.objects.filter(order_id=order.pk).select_related("host", "slot"))
    tasks.sort(key=lambda task: (rank[Kind(task.kind)], task.unit))
    return [_stage(task) for task in tasks]


def _stage(task: Task) -> StageProgress:
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
        position=position(task),
        host=task.host.name if task.host else "",
        slot=task.slot.name if task.slot else "",
        attempt=task.attempt,
        trouble=task.trouble,
    )


def position(task: Task) -> int | None:
    """The place of a queued task in its queue, counted from 1; None if it is not queued."""
    if task.status != TaskStatus.QUEUED:
        return None
    peers = Task.objects.filter(kind=task.kind, status=TaskStatus.QUEUED)
    peers = (
        peers.filter(channel=task.channel_id) if task.kind == Kind.CREATE else peers.filter(host=task.host_id)
    )
    before = Q(priority__lt=task.priority) | Q(priority=task.priority, queued_at__lt=task.queued_at)
    return peers.filter(before).count() + 1


def writer_host_for(channel: Channel) -> Host | None:
    """The enabled writer host of the channel with the least open work; None if the channel has none."""
    usable = Host.objects.filter(channel=channel, kind=Host.Kind.WRITER, disabled=False, draining=False)
    loaded = usable.annotate(open_tasks=Count("tasks", filter=Q(tasks__status__in=OPEN)))
    return loaded.order_by("open_tasks", "name").first()


@dataclass(frozen=True)
class Tile:
    """A slot as the operator sees it.

    `state` is one of: empty, confirm, queued, working, remove (written before), discard (bad card), idle,
    problem, disabled. `card` is what was made of the insertion that is in the slot, if anything was.
    """

    slot: Slot
    state: str
    task: StageProgress | None
    order: Any  # the order, or None
    message: str
    card: Card | None = None


def stations() -> list[Host]:
    """Writer hosts with the number of units that wait for a card there."""
    waiting = Count("tasks", filter=Q(tasks__kind=Kind.WRITE, tasks__status=TaskStatus.WAITING))
    return list(
        Host.objects.filter(kind=Host.Kind.WRITER).annotate(waiting=waiting).select_related("channel")
    )


def silent(host: Host) -> bool:
    """Whether the host was not heard of for so long that what it last said may be wrong."""
    seen = host.last_seen_at
    return seen is None or clock.now() - seen > timedelta(seconds=LEASE)


def station(host: Host) -> dict[str, object]:
    """The tiles of a station, and the units that wait for a card, in the order in which they get one."""
    waiting = list(
        Task.objects.filter(host=host, kind=Kind.WRITE, status=TaskStatus.WAITING)
        .select_related("order", "order__media")
        .order_by("priority", "order__created_at", "unit")
    )
    busy = {
        task.slot_id: task
        for task in Task.objects.filter(
            host=host, slot__isnull=False, status__in=[TaskStatus.QUEUED, TaskStatus.RUNNING]
        ).select_related("order", "host", "slot")
    }
    inserted = Card.objects.filter(
        slot__host=host, slot__present=True, diskseq=F("slot__diskseq"), boot_id=F("slot__boot_id")
    )
    cards = {card.slot_id: card for card in inserted.select_related("order").order_by("permitted_at")}
    slots = list(Slot.objects.filter(host=host).select_related("host"))
    wanted = [] if host.draining or host.disabled else waiting  # it takes no card now
    return {
        "waiting": waiting,
        "tiles": [_tile(slot, busy.get(slot.pk), wanted, cards.get(slot.pk)) for slot in slots],
    }


def _tile(slot: Slot, busy: Task | None, waiting: list[Task], card: Card | None) -> Tile:
    if busy:
        state = "working" if busy.status == TaskStatus.RUNNING else "queued"
        return Tile(slot, state, _stage(busy), busy.order, "", card)
    if slot.disabled:
        return Tile(slot, "disabled", None, None, "")
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
