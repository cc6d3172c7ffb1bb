"""Staff bring work to another host. The system itself never moves what is pinned."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from imager import clock
from imager.api import Problem
from tasks_app import dispatch
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Host, Task
from tasks_app.services import ending
from tasks_app.services.moving import create_task, fresh, lock, move_task, unclaimed
from workers.contract import Kind

S = TaskStatus


@transaction.atomic
def unconfirm(task: Task, *, by: str) -> Task:
    """Take back a confirmed card that no host has begun: the unit waits for a card again. Raises Problem."""
    task = lock(task.pk)
    if task.kind != Kind.WRITE or task.status != S.QUEUED:
        raise Problem(
            409,
            "not_confirmed",
            _("%(task)s is “%(status)s”: only a confirmed card that no host has begun can be taken back.")
            % {"task": task, "status": task.get_status_display()},
        )
    return move_task(task, S.WAITING, by=by, note=_("confirmation taken back"), **unclaimed(task))


@transaction.atomic
def relocate(download: Task, *, to: Host, by: str) -> Task:
    """Have the order's image downloaded, and its unwritten cards written, by `to`. Raises Problem.

    An attempt that is running is over: what its host still reports is refused. Cards wait without a host
    until the image has come. A card that a host is writing stays there, unless that host is silent.
    Returns the download at the new host: the same task, or a new one if this one was done.
    """
    download = lock(download.pk)
    _refuse_task(download)
    _refuse_host(download, to)
    writes = _movable(download)
    if download.status == S.DONE:
        if not writes:
            raise Problem(409, "nothing_to_move", _("No card of this order waits to be written any more."))
        moved = _again(download, to, by=by)
    else:
        moved = _pin(_stopped(download, by=by), to, by=by)
    for write in writes:
        _loosen(write, by=by)
    return moved


def _refuse_task(task: Task) -> None:
    facts = {"task": task, "status": task.get_status_display()}
    if task.kind != Kind.DOWNLOAD:
        raise Problem(
            409, "not_a_download", _("%(task)s is no download: move the download of its order.") % facts
        )
    if task.status == S.CANCELED or task.cancel_requested_at:
        raise Problem(409, "canceled", _("The order of %(task)s was canceled.") % facts)
    if Task.objects.filter(order_id=task.order_id, kind=Kind.DOWNLOAD, unit__gt=task.unit).exists():
        raise Problem(
            409, "superseded", _("%(task)s was moved before: move the latest download of the order.") % facts
        )


def _refuse_host(task: Task, to: Host) -> None:
    to.refresh_from_db()
    facts = {"host": to, "channel": task.channel}
    if to.kind != Host.Kind.WRITER or to.channel_id != task.channel_id:
        raise Problem(409, "wrong_host", _("%(host)s is no writer host of the channel %(channel)s.") % facts)
    if to.disabled or to.draining:
        raise Problem(409, "draining", _("%(host)s takes no new work: enable or resume it first.") % facts)
    if to.pk == task.host_id and task.status != S.DONE:
        raise Problem(409, "already_there", _("The download is at %(host)s already.") % facts)


def _movable(download: Task) -> list[Task]:
    """Cards that nobody is writing: those that wait, failed, were confirmed, or are held by a silent host."""
    at = clock.now()
    found = Task.objects.select_for_update(of=("self",)).select_related("host", "slot", "channel")
    writes = found.filter(order_id=download.order_id, kind=Kind.WRITE, cancel_requested_at=None)
    return [
        write
        for write in writes
        if write.status in {S.WAITING, S.FAILED, S.QUEUED}
        or (write.status == S.RUNNING and write.lease_expires_at and write.lease_expires_at < at)
    ]


def _stopped(task: Task, *, by: str) -> Task:
    """The download, queued: its attempt ended, its failure forgiven."""
    if task.status == S.RUNNING:
        ending.give_back(task, outcome="moved", by=by)
    elif task.status == S.FAILED:
        move_task(task, S.QUEUED, by=by, note=_("retry"), **fresh(task))
    return task


def _pin(task: Task, to: Host, *, by: str) -> Task:
    at = clock.now()
    _note(task, to, by=by, lost_attempts=0, not_before=at, queued_at=at, rung_at=None)
    dispatch.notify("task")
    return task


def _again(download: Task, to: Host, *, by: str) -> Task:
    """What is done stays done: bringing the image to another host is work of its own."""
    facts = {"here": download.host, "there": to}
    download.moves.create(
        came_from=S.DONE, went_to=S.DONE, by=by, note=_("brought from %(here)s to %(there)s") % facts
    )
    return create_task(
        download.order,
        Kind.DOWNLOAD,
        channel=download.channel,
        unit=download.unit + 1,
        host=to,
        spec=download.spec,
        total_bytes=download.total_bytes,
        by=by,
    )


def _loosen(write: Task, *, by: str) -> None:
    """No host has this card to write, until the image has come to another one."""
    if write.status == S.QUEUED:
        move_task(write, S.WAITING, by=by, note=_("confirmation taken back"), **unclaimed(write))
    elif write.status == S.RUNNING:
        ending.give_back(write, outcome="moved", by=by)
    if write.host:
        _note(write, None, by=by)


def _note(task: Task, to: Host | None, *, by: str, **fields: Any) -> None:
    """Change the host of a task that no host holds, and leave a row that says so."""
    there = to or _("wherever the image comes to")
    note = _("moved from %(here)s to %(there)s") % {"here": task.host or "–", "there": there}
    Task.objects.filter(pk=task.pk).update(host=to, **fields)
    task.moves.create(came_from=task.status, went_to=task.status, by=by, note=note)
    for name, value in {"host": to, **fields}.items():
        setattr(task, name, value)
