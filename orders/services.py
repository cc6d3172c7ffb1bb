"""The verbs of an order after it was placed. Each locks the order's row."""

from __future__ import annotations

from functools import partial
from typing import Final
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from imager import clock
from imager.accounts.models import User
from imager.lifecycle import IllegalMove
from orders import flow
from orders.checks import Recipient
from orders.lifecycle import OrderStatus
from orders.models import Order
from orders.placing import IdempotencyConflict, consider, place
from orders.quotes import Changed, Quote, Seen
from tasks_app import services as tasks
from tasks_app.lifecycle import TaskStatus
from tasks_app.stumbles import Footing

__all__ = [
    "Changed",
    "IdempotencyConflict",
    "Quote",
    "Recipient",
    "Seen",
    "cancel",
    "consider",
    "expire",
    "expire_due",
    "place",
    "retry",
    "ship",
]

MAX_TRACKING: Final = 200


@transaction.atomic
def cancel(order: Order, *, by: User) -> Order:
    """Stop an order that is not over. Working hosts hear of it with their next report. Raises IllegalMove."""
    order = flow.lock(order.pk)
    flow.move_order(order, OrderStatus.CANCELED, by=by.email)
    tasks.cancel_tasks(order, by=by.email)
    return order


@transaction.atomic
def retry(order: Order, *, by: User) -> Order:
    """Take a failed order up again where it failed; only failed tasks run again. Raises IllegalMove."""
    order = flow.lock(order.pk)
    if order.status != OrderStatus.FAILED:
        raise IllegalMove(
            _("%(order)s has not failed: it is “%(status)s”.")
            % {"order": order, "status": order.get_status_display()}
        )
    for task in order.tasks.filter(status=TaskStatus.FAILED):
        tasks.retry_task(task, by=by.email)  # the last of them takes the order with it: flow.task_moved
    order = flow.lock(order.pk)
    if order.status == OrderStatus.FAILED:
        flow.revive(order, by=by.email)
    return order


@transaction.atomic
def ship(order: Order, *, by: User, tracking: str) -> Order:
    """The cards were sent. Raises ValidationError for the field `tracking`, or IllegalMove."""
    tracking = tracking.strip()
    if not tracking:
        raise ValidationError({"tracking": _("Enter how the parcel can be traced, or how it was sent.")})
    if len(tracking) > MAX_TRACKING:
        raise ValidationError(
            {
                "tracking": _("At most %(limit)s characters; these are %(has)s.")
                % {"limit": MAX_TRACKING, "has": len(tracking)}
            }
        )
    order = flow.lock(order.pk)
    return flow.move_order(
        order, OrderStatus.SHIPPED, by=by.email, note=tracking, tracking=tracking, shipped_at=clock.now()
    )


@transaction.atomic
def expire(order: Order, *, by: str = flow.SYSTEM) -> Order:
    """End a download, whether its time is over or somebody asks for it. Raises IllegalMove."""
    return flow.move_order(flow.lock(order.pk), OrderStatus.EXPIRED, by=by)


def expire_due() -> int:
    """End the downloads whose time is over. Safe in two schedulers at once. Returns how many."""
    footing = Footing("expire")
    due = _due().order_by("expires_at").values_list("pk", flat=True)
    return sum(bool(footing.step(pk, partial(_expire, pk))) for pk in due)


def _due() -> QuerySet[Order]:
    return Order.objects.filter(status=OrderStatus.AVAILABLE, expires_at__lte=clock.now())


@transaction.atomic
def _expire(pk: UUID) -> bool:
    """Whether it was done now. What somebody holds is left for the next round."""
    order = _due().select_for_update(skip_locked=True, of=("self",)).filter(pk=pk).first()
    if order is None:
        return False
    expire(order)
    return True
