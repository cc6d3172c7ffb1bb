"""What an order would be before it is placed, and whether that is still what the person saw."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import cached_property
from typing import Final

from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imager import clock
from orders import allowance, recipe
from orders.checks import Wish
from orders.lifecycle import OrderStatus
from orders.models import Order

SOON: Final = timedelta(hours=1)  # the same order again within that time is probably a mistake


@dataclass(frozen=True)
class Seen:
    """What was on the page that somebody said yes to. None: that was not asked, and is not compared."""

    units: int | None = None
    hotspot: str | None = None
    recipient: str | None = None
    twin: int | None = None  # the number of the same order that was placed before; 0: there was none


@dataclass(frozen=True)
class Quote:
    """What it costs, and what tells whether anything has changed since. The digests can only be compared.

    Each is worked out when it is looked at, once: rendering a recipe takes a while.
    """

    wish: Wish
    units: int

    @cached_property
    def hotspot(self) -> str:
        """The digest of all that the image would hold."""
        wish = self.wish
        built = recipe.recipe(wish.configuration, wish.contents, size=wish.media.bytes)
        return _digest(f"{wish.configuration.pk} {wish.configuration.name} {built}")

    @cached_property
    def recipient(self) -> str:
        """The digest of where it would be sent."""
        return _digest(json.dumps(asdict(self.wish.recipient.tidy())))

    @cached_property
    def twin(self) -> Order | None:
        """The same order, placed a little while ago."""
        return _twin(self.wish)


class Changed(Exception):
    """Not what the person saw: nothing was ordered. `code` names the first difference, `now` the cost."""

    def __init__(self, changes: dict[str, str], *, now: Quote) -> None:
        super().__init__(" ".join(changes.values()))
        self.code = next(iter(changes))
        self.sentences = list(changes.values())
        self.now = now


def quote(wish: Wish) -> Quote:
    """What `place` would make of the wish, if nothing speaks against it."""
    return Quote(wish, units=0 if wish.free else allowance.cost(wish.media, wish.quantity))


def compare(now: Quote, seen: Seen) -> None:
    """Raises Changed with a sentence for each difference."""
    changes = {
        "price_changed": _price(now, seen.units),
        "configuration_changed": _hotspot(now, seen.hotspot),
        "address_changed": _recipient(now, seen.recipient),
        "duplicate_order": _duplicate(now, seen.twin),
    }
    found = {code: sentence for code, sentence in changes.items() if sentence}
    if found:
        raise Changed(found, now=now)


def twin_in_words(twin: Order) -> str:
    """Which order was placed already."""
    sentence = _(
        "%(order)s orders the same configuration in the same kind and size, and was placed less than an hour "
        "ago by %(person)s."
    )
    return sentence % {"order": twin, "person": twin.created_by or "—"}


def _twin(wish: Wish) -> Order | None:
    recent = Order.objects.filter(
        organization=wish.configuration.organization_id,
        configuration=wish.configuration,
        kind=wish.kind,
        media=wish.media,
        created_at__gte=clock.now() - SOON,
    )
    alive = recent.exclude(status__in=[OrderStatus.CANCELED, OrderStatus.FAILED])
    return alive.select_related("created_by").defer("recipe", "contents").order_by("-number").first()


def _digest(text: str) -> str:
    """With the server's own key: the recipe holds passwords, which nobody shall guess from it."""
    return salted_hmac("orders.quote", text, algorithm="sha256").hexdigest()


def _price(now: Quote, then: int | None) -> str:
    if then is None or then == now.units:
        return ""
    sentence = ngettext(
        "The price has changed meanwhile: it is %(now)s unit, and was %(then)s.",
        "The price has changed meanwhile: it is %(now)s units, and was %(then)s.",
        now.units,
    )
    return sentence % {"now": now.units, "then": then}


def _hotspot(now: Quote, then: str | None) -> str:
    if then is None or then == now.hotspot:
        return ""
    sentence = _("The configuration “%(name)s” or its contents were changed meanwhile.")
    return sentence % {"name": now.wish.configuration}


def _recipient(now: Quote, then: str | None) -> str:
    return "" if then is None or then == now.recipient else _("The address was changed meanwhile.")


def _duplicate(now: Quote, then: int | None) -> str:
    if then is None or now.twin is None or now.twin.number == then:
        return ""
    return twin_in_words(now.twin)
