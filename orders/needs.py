"""What waits for a person: the first thing that they see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import formats
from django.utils.translation import gettext as _

from imager import clock
from imager.accounts.ledger import Purse
from imager.accounts.models import User
from orders.lifecycle import OrderStatus
from orders.models import Configuration, Content, Order

EACH: Final = 3  # of a kind: the lists have them all
DOWNLOADS_END: Final = timedelta(days=3)
ACCOUNT_ENDS: Final = timedelta(days=30)


@dataclass(frozen=True)
class Need:
    """A sentence, and where it is dealt with."""

    sentence: str
    url: str


def needs(
    user: User, *, orders: QuerySet[Order], configurations: QuerySet[Configuration], purse: Purse | None
) -> list[Need]:
    """What the person can do something about, the most urgent first."""
    return [*_failed(orders), *_ending(orders), *_vanished(configurations), *_units(purse), *_account(user)]


def _failed(orders: QuerySet[Order]) -> list[Need]:
    sentence = _("%(order)s “%(name)s” has failed: try again, or cancel it.")
    failed = orders.filter(status=OrderStatus.FAILED).order_by("-number")[:EACH]
    return [Need(sentence % {"order": one, "name": one.name}, one.get_absolute_url()) for one in failed]


def _ending(orders: QuerySet[Order]) -> list[Need]:
    now = clock.now()
    ending = orders.filter(
        status=OrderStatus.AVAILABLE, expires_at__gt=now, expires_at__lt=now + DOWNLOADS_END
    )
    sentence = _("The download of %(order)s “%(name)s” ends on %(at)s (UTC).")
    return [
        Need(
            sentence % {"order": one, "name": one.name, "at": formats.localize(one.expires_at)},
            one.get_absolute_url(),
        )
        for one in ending.order_by("expires_at")[:EACH]
    ]


def _vanished(configurations: QuerySet[Configuration]) -> list[Need]:
    lacking = Configuration.contents.through.objects.filter(content__in=Content.objects.unavailable())
    gone = configurations.filter(pk__in=lacking.values("configuration")).order_by("-updated_at")[:EACH]
    sentence = _("“%(name)s” holds contents that are no longer available: replace or remove them.")
    return [Need(sentence % {"name": one.name}, reverse("configuration", args=[one.pk])) for one in gone]


def _units(purse: Purse | None) -> list[Need]:
    if purse is None or not purse.limited or purse.balance > 0:
        return []
    return [Need(_("There are no units left: ask the staff for more."), reverse("units"))]


def _account(user: User) -> list[Need]:
    if user.expires_at is None or user.expires_at > clock.now() + ACCOUNT_ENDS:
        return []
    sentence = _("Your account ends on %(at)s (UTC): ask the staff to extend it.")
    return [Need(sentence % {"at": formats.localize(user.expires_at)}, reverse("profile"))]
