"""What an organization may still order: its units, its open orders, its cards per order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.translation import gettext as _

from imager.accounts import ledger
from imager.accounts.models import Organization, Role, User
from orders.lifecycle import OPEN
from orders.models import MAX_QUANTITY, Media, Order

if TYPE_CHECKING:
    from orders.checks import Wish


def cost(media: Media, quantity: int) -> int:
    """What that many pieces cost, in units."""
    return media.units * quantity


def max_quantity(organization: Organization) -> int:
    """How many cards the organization may order at a time."""
    most = organization.max_quantity
    return MAX_QUANTITY if most is None else min(most, MAX_QUANTITY)


def download_days(organization: Organization) -> int:
    """How long its downloads work once they are available."""
    days: int = organization.download_days or settings.DOWNLOAD_DAYS
    return days


def refusals(wish: Wish) -> list[str]:
    """Why the organization may not order that now. Certain only while its row is held (`ledger.hold`)."""
    if wish.free:
        return []
    organization = wish.configuration.organization
    return [*open_orders(organization, wish.by), *_units(organization, cost(wish.media, wish.quantity))]


def _units(organization: Organization, units: int) -> list[str]:
    balance = ledger.purse(organization).balance
    if not organization.limited or units <= max(0, balance):
        return []
    return [ledger.shortage(organization, cost=units, balance=balance)]


def open_orders(organization: Organization, by: User) -> list[str]:
    """Why the person, or the organization, may not have one more order under way."""
    under_way = Order.objects.filter(organization=organization.pk, status__in=OPEN)
    most, most_each = organization.max_open_orders, organization.max_open_orders_per_member
    if most is not None and (has := under_way.count()) >= most:
        sentence = _(
            "%(organization)s may have %(limit)s open orders at a time, and has %(has)s. "
            "Wait until one is ready, or cancel one."
        )
        return [sentence % {"organization": organization, "limit": most, "has": has}]
    if most_each is None or by.role == Role.STAFF:
        return []
    if (has := under_way.filter(created_by=by).count()) < most_each:
        return []
    sentence = _(
        "You may have %(limit)s open orders at a time, and have %(has)s. "
        "Wait until one is ready, or cancel one."
    )
    return [sentence % {"limit": most_each, "has": has}]
