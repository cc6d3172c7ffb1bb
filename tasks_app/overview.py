"""All hosts at a glance: are they there, what do they do, what waits for them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from django.db.models import Count

from imager import clock
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Host, Task
from tasks_app.places import LARGE
from tasks_app.presence import Presence, presence
from tasks_app.queries import StageProgress, progress_of
from workers.contract import Kind


@dataclass(frozen=True)
class Work:
    """A running task with its order."""

    task: Task
    progress: StageProgress


@dataclass(frozen=True)
class HostLine:
    """One host. `queued` are tasks that it may claim (builds: of its channel), `waiting` are cards."""

    host: Host
    presence: Presence
    running: list[Work]
    queued: int
    waiting: int
    slots: int
    cards: int


def hosts() -> list[HostLine]:
    """Every host, by name. Five queries, however many there are."""
    at = clock.now()
    running: dict[int, list[Work]] = defaultdict(list)
    for task in (
        Task.objects.filter(status=TaskStatus.RUNNING).select_related("order", "host", "slot").defer(*LARGE)
    ):
        running[task.host_id or 0].append(Work(task, progress_of(task, task.progress_eta)))
    ahead = _ahead()
    return [
        _line(host, presence(host, at), running[host.pk], ahead)
        for host in Host.objects.select_related("channel").prefetch_related("slots")
    ]


Queue = tuple[str, int]  # what it is of, and its channel's or host's key


def _ahead() -> dict[Queue, int]:
    """How many tasks are queued for each channel and host, and how many cards wait at each."""
    counts: dict[Queue, int] = defaultdict(int)
    tasks = Task.objects.filter(status__in=[TaskStatus.QUEUED, TaskStatus.WAITING]).order_by()
    rows = tasks.values_list("kind", "status", "channel", "host").annotate(count=Count("pk"))
    for kind, status, channel, host, count in rows:
        if kind == Kind.CREATE:
            counts["build", channel] += count
        elif host:
            counts[status, host] += count
    return counts


def _line(host: Host, state: Presence, running: list[Work], ahead: dict[Queue, int]) -> HostLine:
    is_creator = host.kind == Host.Kind.CREATOR
    slots = [slot for slot in host.slots.all() if not slot.disabled]
    return HostLine(
        host=host,
        presence=state,
        running=running,
        queued=ahead.get(("build", host.channel_id) if is_creator else (TaskStatus.QUEUED, host.pk), 0),
        waiting=ahead.get((TaskStatus.WAITING, host.pk), 0),
        slots=len(slots),
        cards=sum(slot.present for slot in slots),
    )
