"""What pages and the API ask about orders: who sees which rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from imager import clock
from imager.accounts.models import Role, User
from orders.lifecycle import OrderStatus
from orders.models import Address, Configuration, Content, Order, Upload
from warehouse.models import StoredFile
from workers.contract import TORRENT_SUFFIX


def visible_orders(user: User) -> QuerySet[Order]:
    """All for staff with the right, for members those of their organization. With `has_torrent()` known."""
    orders = Order.objects.select_related("organization", "media", "created_by")
    orders = orders.annotate(with_torrent=Exists(_torrents(OuterRef("pk"))))
    if user.role == Role.STAFF and user.has_perm("orders.view_order"):
        return orders
    if user.role == Role.MEMBER and user.organization_id:
        return orders.filter(organization=user.organization_id)
    return orders.none()


def visible_configurations(user: User) -> QuerySet[Configuration]:
    """All for staff with the right, members those of their organization, others none. No deleted ones."""
    return _configurations(user).filter(deleted_at=None)


def deleted_configurations(user: User) -> QuerySet[Configuration]:
    """Those that can be taken back, the last one first."""
    return _configurations(user).exclude(deleted_at=None).order_by("-deleted_at", "-pk")


def visible_uploads(user: User) -> QuerySet[Upload]:
    """Staff with the right see all uploads, members those of their organization, others none."""
    uploads = Upload.objects.select_related("organization").order_by("-created_at", "-pk")
    if user.role == Role.STAFF and user.has_perm("orders.view_configuration"):
        return uploads
    if user.role == Role.MEMBER and user.organization_id:
        return uploads.filter(organization=user.organization_id)
    return uploads.none()


def _configurations(user: User) -> QuerySet[Configuration]:
    configurations = Configuration.objects.select_related(
        "organization", "branding_logo", "branding_favicon", "preload_zip", "updated_by"
    ).prefetch_related(Prefetch("contents", Content.objects.defer("package", "search")))
    if user.role == Role.STAFF and user.has_perm("orders.view_configuration"):
        return configurations
    if user.role == Role.MEMBER and user.organization_id:
        return configurations.filter(organization=user.organization_id)
    return configurations.none()


def visible_addresses(user: User) -> QuerySet[Address]:
    """Staff with the right see all addresses, members those of their organization, others none."""
    addresses = Address.objects.select_related("organization")
    if user.role == Role.STAFF and user.has_perm("orders.view_address"):
        return addresses
    if user.role == Role.MEMBER and user.organization_id:
        return addresses.filter(organization=user.organization_id)
    return addresses.none()


def choosable(configuration: Configuration) -> QuerySet[Content]:
    """What can be chosen: what is available, and what is chosen already although it is missing by now."""
    contents = Content.objects.defer("package", "search")
    kept = Q(configurations=configuration.pk) if configuration.pk else Q(pk=None)
    return contents.filter(Q(active=True, missing_since=None) | kept).distinct()


def downloadable(order: Order, at: datetime | None = None) -> bool:
    """Whether the order's download works at `at`, by default now; the database's clock counts."""
    if order.status != OrderStatus.AVAILABLE or order.expires_at is None:
        return False
    return order.expires_at > (at or clock.now())


def has_torrent(order: Order) -> bool:
    """Whether its image came with a torrent: those built before torrents were made have none."""
    known: bool | None = getattr(order, "with_torrent", None)
    return _torrents(order.pk).exists() if known is None else known


def _torrents(owner: Any) -> QuerySet[StoredFile]:
    published = StoredFile.objects.filter(owner=owner, status=StoredFile.Status.PUBLISHED)
    return published.filter(name__endswith=TORRENT_SUFFIX)
