"""What orders hold of people, and how it is taken out of them."""

from __future__ import annotations

from typing import Final

from django.db import transaction
from django.db.models import QuerySet

from imager.accounts.leaving import GONE
from imager.accounts.models import UnitEntry, User
from orders import flow
from orders.lifecycle import FINAL, OPEN, OrderStatus
from orders.models import Order, OrderMove, OrderNote
from tasks_app import services as tasks
from tasks_app.models import SlotEvent, TaskMove

NAMING: Final = ("name", "email", "phone", "address", "postal_code", "city")
PERSONAL: Final = {f"recipient_{field}": "" for field in NAMING}
STOPPED: Final = (*OPEN, OrderStatus.FAILED)


def open_orders(user: User) -> int:
    """How many orders of that person would be canceled."""
    return _mine(user).count()


@transaction.atomic
def forget(user: User) -> None:
    """Cancel what the person has under way, and take them out of all their orders. Others' orders stay."""
    _lock_all(user)
    for pk in _mine(user).order_by("pk").values_list("pk", flat=True):
        order = flow.lock(pk)
        if order.status in STOPPED:
            flow.move_order(order, OrderStatus.CANCELED, by=user.email)
            tasks.cancel_tasks(order, by=user.email)
    anonymize(Order.objects.filter(created_by=user))
    OrderMove.objects.filter(by=user.email).update(by=GONE)
    TaskMove.objects.filter(by=user.email).update(by=GONE)
    OrderNote.objects.filter(by=user.email).update(by=GONE)
    SlotEvent.objects.filter(by=user.email).update(by=GONE)


@transaction.atomic
def anonymize(orders: QuerySet[Order]) -> int:
    """Take people, and the recipe with its passwords, out of orders that are over. Returns how many.

    Downloads that still work keep working; orders under way are left alone, for they need it all.
    """
    over = orders.filter(status__in=[*FINAL, OrderStatus.AVAILABLE])
    keys = list(over.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))
    told = User.objects.filter(orders__in=keys).values_list("email", flat=True)
    emails = [*told, *Order.objects.filter(pk__in=keys).values_list("recipient_email", flat=True)]
    OrderMove.objects.filter(subject__in=keys, by__in=emails).update(by=GONE)
    TaskMove.objects.filter(subject__order__in=keys, by__in=emails).update(by=GONE)
    UnitEntry.objects.filter(order__in=keys, by__in=emails).update(by=GONE)
    OrderNote.objects.filter(order__in=keys).delete()  # written freely: they may name anybody
    Order.objects.filter(pk__in=keys).update(created_by=None, recipe="", **PERSONAL)
    return len(keys)


def _lock_all(user: User) -> None:
    """All orders at once: refunds hold the organization, and whoever holds it may ask for no other order."""
    orders = Order.objects.select_for_update(of=("self",)).filter(created_by=user)
    list(orders.order_by("pk").values_list("pk", flat=True))


def _mine(user: User) -> QuerySet[Order]:
    return Order.objects.filter(created_by=user, status__in=STOPPED)
