"""Tasks come into being, move, and end. Every move locks the order first, then the task."""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol
from uuid import UUID

from django.db import models, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from imager import clock
from imager.accounts.models import Channel
from imager.lifecycle import IllegalMove, move
from tasks_app import dispatch, followers
from tasks_app.choice import writer_host_for
from tasks_app.lifecycle import MOVES, TaskStatus
from tasks_app.models import Host, Task
from tasks_app.services import built
from tasks_app.stumbles import Footing
from workers.contract import Kind


class Order(Protocol):
    """An order, as far as tasks know it."""

    @property
    def pk(self) -> UUID: ...


def order_model() -> type[models.Model]:
    """The model that tasks belong to; known by name only."""
    model = Task._meta.get_field("order").related_model
    assert isinstance(model, type)  # noqa: S101  # the app registry is ready by now
    return model


def lock(task_id: UUID) -> Task:
    """The task, its order's row locked before its own. Raises Task.DoesNotExist. Needs a transaction."""
    order_id = Task.objects.values_list("order_id", flat=True).get(pk=task_id)
    lock_order(order_id)
    return (
        Task.objects.select_for_update(of=("self",)).select_related("host", "slot", "channel").get(pk=task_id)
    )


def lock_if_free(task_id: UUID) -> Task | None:
    """The same, but None if somebody works with the order or the task now. Needs a transaction."""
    order_id = Task.objects.values_list("order_id", flat=True).get(pk=task_id)
    orders = order_model()._default_manager.select_for_update(skip_locked=True)
    if orders.filter(pk=order_id).first() is None:
        return None
    tasks = Task.objects.select_for_update(of=("self",), skip_locked=True)
    return tasks.select_related("host", "slot", "channel").filter(pk=task_id).first()


def lock_order(order_id: UUID) -> models.Model:
    """The order, locked: two cards that finish together must each see the other. Needs a transaction."""
    return order_model()._default_manager.select_for_update().get(pk=order_id)


def move_task(task: Task, went_to: str, *, by: str, note: str = "", **fields: Any) -> Task:
    """Move a locked task, ring for it when it was queued, and tell the followers."""
    came_from = task.status
    move(task, went_to, table=MOVES, by=by, note=note, **fields)
    if went_to == TaskStatus.QUEUED:
        dispatch.notify("task")
    followers.tell(task, came_from, went_to, by=by)
    return task


@transaction.atomic
def create_task(
    order: Order,
    kind: Kind,
    *,
    channel: Channel,
    unit: int = 0,
    host: Host | None = None,
    spec: dict[str, Any],
    total_bytes: int,
    status: str = TaskStatus.QUEUED,
    priority: int = 100,
    by: str,
) -> Task:
    """A new task for `order`; the same (order, kind, unit) again gives the one that is there."""
    at = clock.now()
    task, created = Task.objects.get_or_create(
        order_id=order.pk,
        kind=kind,
        unit=unit,
        defaults={
            "channel": channel,
            "host": host,
            "spec": spec,
            "total_bytes": total_bytes,
            "status": status,
            "priority": priority,
            "queued_at": at,
            "not_before": at,
        },
    )
    if created:
        task.moves.create(came_from="", went_to=status, by=by)
        if status == TaskStatus.QUEUED:
            dispatch.notify("task")
    return task


@transaction.atomic
def cancel_tasks(order: Order, *, by: str) -> None:
    """Cancel what has not started; ask the hosts to stop what has. Finished tasks stay as they are."""
    lock_order(order.pk)
    for task in Task.objects.select_for_update(of=("self",)).filter(order_id=order.pk):
        if task.status == TaskStatus.RUNNING:
            Task.objects.filter(pk=task.pk, cancel_requested_at=None).update(cancel_requested_at=clock.now())
            dispatch.notify("cancel")
        elif TaskStatus.CANCELED in MOVES[task.status]:
            move_task(task, TaskStatus.CANCELED, by=by)


@transaction.atomic
def prioritize_tasks(order: Order, priority: int) -> None:
    """What the order still has to be done is done sooner, or later: the lower the number, the sooner."""
    lock_order(order.pk)
    over = [TaskStatus.DONE, TaskStatus.CANCELED]  # a failed one may be retried
    unfinished = Task.objects.filter(order_id=order.pk).exclude(status__in=over)
    unfinished.update(priority=priority)
    if unfinished.filter(status=TaskStatus.QUEUED).update(rung_at=None):
        dispatch.notify("task")


@transaction.atomic
def retry_task(task: Task, *, by: str) -> Task:
    """A failed task gets a fresh budget: queued again, or waiting for a card again. Raises IllegalMove."""
    task = lock(task.pk)
    if task.status != TaskStatus.FAILED:
        raise IllegalMove(
            _("%(task)s has not failed: it is “%(status)s”.")
            % {"task": task, "status": task.get_status_display()}
        )
    went_to = TaskStatus.WAITING if task.kind == Kind.WRITE else TaskStatus.QUEUED
    return move_task(task, went_to, by=by, note="retry", **fresh(task))


def fresh(task: Task) -> dict[str, Any]:
    """Fields of a task that starts over with a full budget."""
    at = clock.now()
    return {"lost_attempts": 0, "not_before": at, "queued_at": at, **unclaimed(task)}


def unclaimed(task: Task) -> dict[str, Any]:
    """Fields of a task that no host holds. Downloads and cards stay pinned to their host."""
    fields: dict[str, Any] = {
        "rung_at": None,
        "lease_expires_at": None,
        "reclaim_at": None,
        "deadline_at": None,
        "cancel_requested_at": None,
        "step": "",
        "progress_done": 0,
        "progress_total": None,
        "progress_rate": None,
        "progress_eta": None,
    }
    if task.kind == Kind.CREATE:
        fields |= {"host": None, "spec": built.noted(task)}
    if task.kind == Kind.WRITE:
        fields |= {"slot": None, "confirmed_diskseq": None, "confirmed_boot_id": ""}
    return fields


def find_hosts() -> int:
    """Give downloads that found no writer host one, now that there may be one. Returns how many."""
    footing = Footing("find hosts")
    homeless = _homeless().values_list("pk", flat=True)
    return sum(bool(footing.step(pk, partial(_find_host, pk))) for pk in homeless)


def _homeless() -> QuerySet[Task]:
    return Task.objects.filter(kind=Kind.DOWNLOAD, host=None, status=TaskStatus.QUEUED)


@transaction.atomic
def _find_host(pk: UUID) -> bool:
    """Whether there is one. A task that somebody holds is left to him."""
    free = _homeless().select_for_update(skip_locked=True, of=("self",)).select_related("channel")
    task = free.filter(pk=pk).first()
    host = writer_host_for(task.channel) if task else None
    if task is None or host is None:
        return False
    Task.objects.filter(pk=pk).update(host=host, rung_at=None)
    dispatch.notify("task")
    return True
