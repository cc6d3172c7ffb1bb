"""What the order form shows about sizes: how much the image needs, which media hold it, what stays free."""

from __future__ import annotations

from dataclasses import dataclass

from imager.accounts import ledger
from imager.accounts.ledger import Purse
from orders import sizes
from orders.allowance import cost
from orders.models import Configuration, Media, Order
from orders.order_form import OrderForm


@dataclass(frozen=True)
class Choice:
    """A size that can be chosen. `fits` is None while no configuration is chosen."""

    media: Media
    fits: bool | None
    chosen: bool
    missing: int = 0  # bytes, where it does not fit
    short: int = 0  # units that the organization lacks for one piece


@dataclass(frozen=True)
class Sizing:
    """Everything in bytes. `media` is the size chosen, if any; it may be too small."""

    kind: str
    configuration: Configuration | None
    needed: int
    choices: list[Choice]
    media: Media | None
    smallest: Media | None
    quantity: int
    purse: Purse | None

    @property
    def cost(self) -> int:
        """In units."""
        return cost(self.media, self.total) if self.media else 0

    @property
    def short(self) -> bool:
        """Whether the organization has too few units."""
        return bool(self.purse and self.purse.limited and self.cost > max(0, self.purse.balance))

    @property
    def free(self) -> int:
        """What stays free on the size chosen; negative: what is missing."""
        return self.media.bytes - self.needed if self.media else 0

    @property
    def missing(self) -> int:
        """What the size chosen has too little."""
        return max(0, -self.free)

    @property
    def total(self) -> int:
        """How many pieces are made."""
        return 1 if self.kind == Order.Kind.VIRTUAL else self.quantity


def sizing(form: OrderForm, *, keep: bool) -> Sizing:
    """What is chosen in the form. Unless the choice is to be kept, a size that does not fit gives way."""
    configuration = form.chosen("configuration")
    kind = form["kind"].value()
    needed = sizes.needed_by(configuration) if configuration else 0
    offered = list(form.fields["media"].queryset)  # type: ignore[attr-defined]  # a ModelChoiceField
    smallest = next(
        (one for one in offered if one.kind == kind and configuration and one.bytes >= needed), None
    )
    media = form.chosen("media")
    if not form.is_bound and (media is None or not (keep or _suits(media, kind, needed))):
        media = smallest
    purse = ledger.purse(configuration.organization) if configuration else None
    left = purse.balance if purse and purse.limited else None
    choices = [_choice(one, needed if configuration else None, left, chosen=one == media) for one in offered]
    return Sizing(kind, configuration, needed, choices, media, smallest, _quantity(form), purse)


def _choice(media: Media, needed: int | None, left: int | None, *, chosen: bool) -> Choice:
    """A size, and what speaks against it."""
    missing = max(0, (needed or 0) - media.bytes)
    short = 0 if left is None else max(0, media.units - max(0, left))
    return Choice(media, None if needed is None else not missing, chosen, missing, short)


def _suits(media: Media, kind: str, needed: int) -> bool:
    return media.kind == kind and media.bytes >= needed


def _quantity(form: OrderForm) -> int:
    value = str(form["quantity"].value() or "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 3 else 1
