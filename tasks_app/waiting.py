"""Why an order is waiting: one answer per cause, in words for members and in words for staff."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from imager import clock
from tasks_app.lifecycle import OPEN, TaskStatus
from tasks_app.models import Host, Slot, Task
from tasks_app.places import with_places
from tasks_app.presence import Presence, heard, online, presence
from tasks_app.services.moving import Order
from tasks_app.words import REASONS
from workers.contract import Kind

NAMED: Final = 20  # hosts in one sentence
ASIDE: Final = {Presence.DISABLED: "host_disabled", Presence.DRAINING: "host_draining"}


@dataclass(frozen=True)
class Reason:
    """One cause. `code` is stable; `units` are the cards that it concerns, if it concerns cards."""

    code: str
    kind: str
    units: tuple[int, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)

    def words(self, *, staff: bool) -> str:
        """A sentence. Members are told of no hosts, slots or channels."""
        for_members, for_staff = REASONS[self.code]
        return str((for_staff if staff else for_members) % self.facts)


def why_waiting(order: Order) -> list[Reason]:
    """What keeps the order's open tasks from going on; nothing for those that do. At most five queries."""
    mine = with_places(Task.objects.filter(order_id=order.pk, status__in=OPEN))
    tasks = list(mine.select_related("host", "channel").order_by("kind", "unit"))
    if not tasks:
        return []
    at = clock.now()
    found = [reason for task in tasks if (reason := _why(task, at))]
    return _merged([*found, *_cards_needed(tasks, at)])


def _merged(reasons: Iterable[Reason]) -> list[Reason]:
    """The same cause is told once, with all the cards that it concerns."""
    merged: dict[tuple[object, ...], Reason] = {}
    for reason in reasons:
        key = (reason.code, reason.kind, *sorted(reason.facts.items()))
        units = merged[key].units if key in merged else ()
        merged[key] = Reason(reason.code, reason.kind, (*units, *reason.units), reason.facts)
    return list(merged.values())


def _why(task: Task, at: datetime) -> Reason | None:
    """Why a queued or running task does not go on. Tasks that wait for a card are looked at together."""
    if task.status == TaskStatus.RUNNING:
        return _why_still_running(task, at)
    if task.status == TaskStatus.QUEUED:
        return _backed_off(task, at) or (
            _why_not_built(task, at) if task.kind == Kind.CREATE else _why_not_fetched(task, at)
        )
    return None


def _reason(code: str, task: Task, **facts: object) -> Reason:
    return Reason(code, task.kind, (task.unit,) if task.kind == Kind.WRITE else (), facts)


def _why_still_running(task: Task, at: datetime) -> Reason | None:
    if task.cancel_requested_at:
        return _reason("cancel_asked", task, host=str(task.host))
    if task.lease_expires_at and task.lease_expires_at < at:
        since = task.lease_expires_at - timedelta(seconds=settings.TASK_LEASE)
        return _reason("running_silent", task, host=str(task.host), time=_time(since, at))
    return None


def _backed_off(task: Task, at: datetime) -> Reason | None:
    if task.not_before <= at:
        return None
    trouble = (task.trouble or {}).get("message") or _("The host gave no reason.")
    return _reason("backed_off", task, time=_time(task.not_before, at), trouble=trouble)


def _why_not_built(task: Task, at: datetime) -> Reason:
    """Counts no further than the task's own place: a channel may have thousands of creators."""
    creators = Host.objects.filter(kind=Host.Kind.CREATOR, channel=task.channel_id)
    working = creators.filter(online(at))
    busy = Task.objects.filter(host=OuterRef("pk"), status=TaskStatus.RUNNING)
    place = getattr(task, "place", None) or 1
    idle = len(working.exclude(Exists(busy)).order_by().values_list("pk")[:place])
    if idle >= place:
        return _reason("starting", task)
    if idle or working.exists():
        return _reason("creators_busy", task, channel=task.channel.slug, position=place)
    told = [f"{host} ({presence(host, at).label})" for host in creators[: NAMED + 1]]
    if len(told) > NAMED:
        told[NAMED:] = ["…"]
    told = told or [_("none is enrolled")]
    return _reason("no_creator", task, channel=task.channel.slug, hosts=", ".join(told))


def _why_not_fetched(task: Task, at: datetime) -> Reason:
    """For downloads, and for cards that were confirmed and not yet begun."""
    if task.host is None:
        return _reason("no_writer", task, channel=task.channel.slug)
    away = _away(task.host, task, at)
    if away:
        return away
    place = getattr(task, "place", None) or 1
    if task.kind == Kind.DOWNLOAD and (place > 1 or getattr(task, "running_peers", 0)):
        return _reason("host_busy", task, host=task.host.name, position=place)
    return _reason("starting", task)


def _away(host: Host, task: Task, at: datetime) -> Reason | None:
    """Why the host to which the task is pinned does nothing, if it does nothing."""
    state = presence(host, at)
    if state == Presence.UNSEEN:
        return _reason("host_unseen", task, host=host.name)
    if host.last_seen_at and state != Presence.DISABLED and not heard(host, at):
        return _reason("host_silent", task, host=host.name, time=_time(host.last_seen_at, at))
    return _reason(ASIDE[state], task, host=host.name) if state in ASIDE else None


def _cards_needed(tasks: list[Task], at: datetime) -> Iterator[Reason]:
    """What must be done at the stations for the tasks that wait for a card."""
    waiting = [task for task in tasks if task.status == TaskStatus.WAITING]
    hosts: dict[Host, list[Slot]] = {task.host: [] for task in waiting if task.host}
    for slot in _slots(hosts):
        hosts[slot.host].append(slot)
    for task in waiting:
        if task.host is None:
            yield _reason("image_moving", task)
        elif away := _away(task.host, task, at):
            yield away
        else:
            yield _card_needed(task.host, task, hosts[task.host])


def _slots(hosts: Iterable[Host]) -> list[Slot]:
    hosts = list(hosts)
    if not hosts:
        return []
    active = Task.objects.filter(slot=OuterRef("pk"), status__in=[TaskStatus.QUEUED, TaskStatus.RUNNING])
    usable = Slot.objects.filter(host__in=hosts, disabled=False, quarantined_at=None, problem="").exclude(
        Exists(active)
    )
    return list(usable.select_related("host"))


def _card_needed(host: Host, task: Task, slots: list[Slot]) -> Reason:
    """`slots` are those that are in order and not at work."""
    unconfirmed = [slot.name for slot in slots if slot.present and not slot.used]
    free = [slot.name for slot in slots if not slot.present or slot.used]
    if unconfirmed:
        return _reason("card_unconfirmed", task, host=host.name, slots=", ".join(unconfirmed))
    if free:
        return _reason("card_needed", task, host=host.name, slots=", ".join(free))
    return _reason("slots_taken", task, host=host.name)


def _time(moment: datetime, at: datetime) -> str:
    return date_format(moment, "TIME_FORMAT" if moment.date() == at.date() else "DATETIME_FORMAT")
