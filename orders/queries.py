"""What pages and the API ask about orders: who sees which rows."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet

from imager import clock
from imager.accounts.models import Role, User
from orders.lifecycle import OrderStatus
from orders.models import Configuration, Order


def visible_orders(user: User) -> QuerySet[Order]:
    """Staff see all orders, members those of their organization, others none."""
    orders = Order.objects.select_related("organization", "media", "created_by")
    if user.role == Role.STAFF:
        return orders
    if user.role == Role.MEMBER and user.organization_id:
        return orders.filter(organization=user.organization_id)
    return orders.none()


def visible_configurations(user: User) -> QuerySet[Configuration]:
    """Staff see all configurations, members those of their organization, others none."""
    configurations = Configuration.objects.select_related("organization").prefetch_related("contents")
    if user.role == Role.STAFF:
        return configurations
    if user.role == Role.MEMBER and user.organization_id:
        return configurations.filter(organization=user.organization_id)
    return configurations.none()


def downloadable(order: Order, at: datetime | None = None) -> bool:
    """Whether the order's download works at `at`, by default now; the database's clock counts."""
    if order.status != OrderStatus.AVAILABLE or order.expires_at is None:
        return False
    return order.expires_at > (at or clock.now())
