"""Which task follows which, and what that makes of the order.

`advance()` looks at an order's stage and its tasks and moves the order on as far as they allow. It reads
states, not events, so that a repeated, late or overtaken event changes nothing, and nothing is created twice.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from django.utils.translation import gettext as _

from imager import clock
from imager.accounts import ledger
from imager.lifecycle import move
from orders import allowance, notices
from orders.lifecycle import FINAL, MOVES, STAGES, OrderStatus
from orders.models import Order
from tasks_app import services as tasks
from tasks_app.choice import writer_host_for
from tasks_app.lifecycle import ENDED, TaskStatus
from tasks_app.models import Task
from warehouse import services as warehouse
from warehouse.models import Warehouse
from workers.contract import FileFacts, Kind

SYSTEM = "system"


def lock(order_id: UUID) -> Order:
    """The order, its row locked until the transaction ends."""
    locked = Order.objects.select_for_update(of=("self",)).select_related(
        "organization__channel", "created_by", "media"
    )
    return locked.get(pk=order_id)


def move_order(order: Order, went_to: str, *, by: str, note: str = "", **fields: Any) -> Order:
    """Move a locked order, with its units and mails, and let go of an image that nobody needs any more.

    Raises ShortOfUnits for a failed order that costs more than its organization has by now.
    """
    came_from = order.status
    move(order, went_to, table=MOVES, by=by, note=note, **fields)
    _settle_units(order, came_from, by=by)
    notices.tell(order)
    if went_to in FINAL:
        warehouse.remove(owner=order.pk)
    return order


def _settle_units(order: Order, came_from: str, *, by: str) -> None:
    """An order that ends well is paid; one that stops gives its units back, and needs them again to go on."""
    if order.status in {OrderStatus.SHIPPED, OrderStatus.AVAILABLE}:
        ledger.charge(order, by=by)
    elif order.status in {OrderStatus.CANCELED, OrderStatus.FAILED}:
        ledger.refund(order, by=by)
    elif came_from == OrderStatus.FAILED:
        ledger.reserve(order, by=by)


def task_moved(task: Task, came_from: str, went_to: str, *, by: str) -> None:
    """Follow the move of a task. Runs inside its transaction, with the order's row locked."""
    order = lock(task.order_id)
    if order.status in FINAL:
        if (
            went_to in ENDED and task.kind == Kind.CREATE
        ):  # it may have published before it heard of the cancel
            warehouse.remove(owner=order.pk)
    elif went_to == TaskStatus.FAILED:
        _fail(order, task, by=by)
    elif came_from == TaskStatus.FAILED and order.status == OrderStatus.FAILED:
        revive(order, by=by)
    elif went_to == TaskStatus.DONE and task.kind == Kind.DOWNLOAD and order.status == OrderStatus.WRITING:
        waiting = order.tasks.filter(kind=Kind.WRITE, status=TaskStatus.WAITING, host=task.host).count()
        if waiting:  # staff moved the order to another station
            notices.ask_for_cards(order, cards=waiting, download=task)
    else:
        advance(order, by=by)


def advance(order: Order, *, by: str) -> Order:
    """Move a locked order on, as far as its tasks allow."""
    step = _STEPS.get(order.status)
    while step and step(order, by=by):
        step = _STEPS.get(order.status)
    return order


def revive(order: Order, *, by: str) -> Order:
    """Take a failed order back to the stage that it failed in, if no task of it is failed any more."""
    if order.tasks.filter(status=TaskStatus.FAILED).exists():
        return order
    move_order(order, order.failed_stage, by=by, note=_("retry"), failed_stage="", failure="")
    return advance(order, by=by)


def begin(order: Order, *, by: str) -> Task:
    """The first task of a new order. What the recipe says is asked for when a creator claims the task.

    An image that people download gets a torrent.
    """
    torrent = {"torrent": True} if order.kind == Order.Kind.VIRTUAL else {}
    chosen = _warehouse_of(order)
    kept = {"warehouse": chosen.slug} if chosen else {}
    return tasks.create_task(
        order,
        Kind.CREATE,
        channel=order.organization.channel,
        spec={"name": order.image_name, **torrent, **kept},
        total_bytes=order.media.bytes,
        priority=order.priority,
        by=by,
    )


def _warehouse_of(order: Order) -> Warehouse | None:
    """Where its image is kept: as its organization, else its channel, has it; None: as the site has it."""
    public = order.kind == Order.Kind.VIRTUAL
    for one in (order.organization, order.organization.channel):
        chosen = one.public_warehouse if public else one.warehouse
        if chosen and chosen.active:
            return chosen
    return None


def recipe_of(order_id: UUID) -> str:
    """The recipe of an order, for the creator that claimed its task."""
    return Order.objects.values_list("recipe", flat=True).get(pk=order_id)


def _fail(order: Order, task: Task, *, by: str) -> None:
    if order.status in STAGES:
        failure = (task.trouble or {}).get("message") or _("The host gave no reason.")
        move_order(order, OrderStatus.FAILED, by=by, note=failure, failed_stage=order.status, failure=failure)


def _from_placed(order: Order, *, by: str) -> bool:
    create = _task(order, Kind.CREATE)
    if create is None or create.status not in {TaskStatus.RUNNING, TaskStatus.DONE}:
        return False
    move_order(order, OrderStatus.CREATING, by=by)
    return True


def _from_creating(order: Order, *, by: str) -> bool:
    create = _task(order, Kind.CREATE)
    if create is None or create.status != TaskStatus.DONE:
        return False
    size = (create.result or {}).get("image_size", 0)
    if order.kind == Order.Kind.VIRTUAL:
        expires_at = clock.now() + timedelta(days=allowance.download_days(order.organization))
        move_order(order, OrderStatus.AVAILABLE, by=by, image_bytes=size, expires_at=expires_at)
    else:
        move_order(order, OrderStatus.DOWNLOADING, by=by, image_bytes=size)
        _create_download(order, create)
    return True


def _from_downloading(order: Order, *, by: str) -> bool:
    download = _task(order, Kind.DOWNLOAD)
    if download is None or download.status != TaskStatus.DONE:
        return False
    _create_writes(order, download)
    move_order(order, OrderStatus.WRITING, by=by)
    return True


def _from_writing(order: Order, *, by: str) -> bool:
    if order.tasks.filter(kind=Kind.WRITE, status=TaskStatus.DONE).count() < order.quantity:
        return False
    move_order(order, OrderStatus.READY_TO_SHIP, by=by)
    return True


class _Step(Protocol):
    """Moves the order on and says so, or says that it is not time yet."""

    def __call__(self, order: Order, *, by: str) -> bool: ...


_STEPS: Final[dict[str, _Step]] = {
    OrderStatus.PLACED: _from_placed,
    OrderStatus.CREATING: _from_creating,
    OrderStatus.DOWNLOADING: _from_downloading,
    OrderStatus.WRITING: _from_writing,
}


def _task(order: Order, kind: Kind) -> Task | None:
    return order.tasks.select_related("host", "channel").filter(kind=kind).first()


def _create_download(order: Order, create: Task) -> None:
    files: list[FileFacts] = [
        {"name": file.name, "size": file.size, "sha256": file.sha256}
        for file in warehouse.published_files(owner=order.pk)
    ]
    spec = {
        "name": order.image_name,
        "files": files,
        "signing_key": create.spec["signing_key"],  # the builder's, when it claimed
        "image_size": order.image_bytes,
    }
    tasks.create_task(
        order,
        Kind.DOWNLOAD,
        channel=create.channel,
        host=writer_host_for(create.channel),
        spec=spec,
        total_bytes=sum(file["size"] for file in files),
        priority=order.priority,
        by=SYSTEM,
    )


def _speeds(order: Order) -> dict[str, float]:
    """What the media asks of a card, in bytes per second."""
    media = order.media
    asked = {"min_write_rate": media.min_write_speed, "min_read_rate": media.min_read_speed}
    return {name: speed * 1e6 for name, speed in asked.items() if speed}


def _create_writes(order: Order, download: Task) -> None:
    """One task per card, on the host that has the image, waiting for its card."""
    for unit in range(1, order.quantity + 1):
        tasks.create_task(
            order,
            Kind.WRITE,
            channel=download.channel,
            unit=unit,
            host=download.host,
            spec={**download.spec, **_speeds(order)},
            total_bytes=order.image_bytes,
            status=TaskStatus.WAITING,
            priority=order.priority,
            by=SYSTEM,
        )
