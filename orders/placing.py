"""Placing an order: one transaction, and one order per idempotency key."""

from __future__ import annotations

import uuid
from dataclasses import asdict

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from imager.accounts import ledger
from imager.accounts.models import User
from orders import allowance, flow, notices, recipe
from orders.checks import Recipient, Wish, errors_of
from orders.lifecycle import OrderStatus
from orders.models import Configuration, Media, Order
from orders.quotes import Quote, Seen, compare, quote


class IdempotencyConflict(Exception):
    """The key was used before, for another request."""


def place(
    configuration: Configuration,
    *,
    by: User,
    kind: str,
    media: Media,
    quantity: int,
    recipient: Recipient | None = None,
    idempotency_key: str | None = None,
    request_digest: str = "",
    free: bool = False,
    seen: Seen | None = None,
) -> tuple[Order, bool]:
    """Place an order, with its first task and its mail, or raise ValidationError with sentences per field.

    Returns the order, and whether it is new: the same key with the same digest gives the order that is
    there. The same key with another digest raises IdempotencyConflict. What is not as it was `seen` raises
    Changed. A `free` order costs no units.
    """
    known = _known(configuration, idempotency_key, request_digest)
    if known:
        return known, False
    contents = tuple(configuration.contents.order_by("path"))
    wish = Wish(
        configuration, contents, by, kind, media, quantity, recipient or Recipient(), idempotency_key, free
    )
    _check(wish)
    return _place(wish, request_digest, seen)


def consider(
    configuration: Configuration,
    *,
    by: User,
    kind: str,
    media: Media,
    quantity: int,
    recipient: Recipient | None = None,
) -> Quote:
    """What `place` would order, for people to confirm, or its refusals. Nothing is placed."""
    contents = tuple(configuration.contents.order_by("path"))
    wish = Wish(configuration, contents, by, kind, media, quantity, recipient or Recipient(), None)
    _check(wish)
    return quote(wish)


def _check(wish: Wish) -> None:
    errors = errors_of(wish)
    if errors:
        raise ValidationError(errors)


@transaction.atomic
def _place(wish: Wish, digest: str, seen: Seen | None) -> tuple[Order, bool]:
    """As `place`, one after the other for each organization: what was left before may be gone by now."""
    wish.configuration.organization = ledger.hold(wish.configuration.organization_id)
    known = _known(wish.configuration, wish.key, digest)
    if known:  # somebody else was faster with the same key
        return known, False
    refusals = allowance.refusals(wish)
    if refusals:
        raise ValidationError({NON_FIELD_ERRORS: refusals})
    if seen:
        compare(quote(wish), seen)
    order = _order(wish, digest)
    _insert(order, by=wish.by.email)
    return order, True


def image_name(name: str, order_id: uuid.UUID) -> str:
    """The stem of the image's files: a readable part, and one that nobody else has."""
    return f"{slugify(name)[:40].strip('-_') or 'hotspot'}-{order_id.hex[:10]}"


def _known(configuration: Configuration, key: str | None, digest: str) -> Order | None:
    if not key:
        return None
    order = Order.objects.filter(organization=configuration.organization_id, idempotency_key=key).first()
    if order and order.request_digest != digest:
        sentence = _(
            "The key “%(key)s” was used for another order (%(order)s). Use a new key for a new order."
        )
        raise IdempotencyConflict(sentence % {"key": key, "order": order})
    return order


def _order(wish: Wish, digest: str) -> Order:
    """The order, a copy of everything that may change later."""
    configuration = wish.configuration
    order = Order(
        organization=configuration.organization,
        created_by=wish.by,
        kind=wish.kind,
        media=wish.media,
        quantity=wish.quantity,
        units=0 if wish.free else allowance.cost(wish.media, wish.quantity),
        configuration=configuration,
        name=configuration.name,
        contents=recipe.snapshot(wish.contents),
        recipe=recipe.recipe(configuration, wish.contents, size=wish.media.bytes),
        idempotency_key=wish.key or None,
        request_digest=digest,
        **{f"recipient_{field}": value for field, value in asdict(wish.recipient.tidy()).items()},
    )
    order.image_name = image_name(configuration.name, order.pk)
    return order


def _insert(order: Order, *, by: str) -> None:
    order.save(force_insert=True)
    order.refresh_from_db(fields=["number"])
    ledger.reserve(order, by=by)
    order.moves.create(came_from="", went_to=OrderStatus.PLACED, by=by)
    flow.begin(order, by=by)
    notices.tell(order)
