"""Placing an order: what cannot be built or sent is refused, with an error per field."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.template.defaultfilters import filesizeformat
from django.utils.text import slugify
from django.utils.translation import gettext as _

from imager.accounts.models import Role, User
from orders import countries, flow, notices, recipe, sizes
from orders.lifecycle import OrderStatus
from orders.models import MAX_QUANTITY, Configuration, Content, Media, Order

MAX_KEY: Final = 100
Errors = dict[str, list[str]]


class IdempotencyConflict(Exception):
    """The key was used before, for another request."""


@dataclass(frozen=True)
class Recipient:
    """Where the cards go. The names are those of the order's fields behind `recipient_`."""

    name: str = ""
    email: str = ""
    phone: str = ""
    address: str = ""
    country: str = ""


LIMITS: Final = {"name": 100, "email": 254, "phone": 30, "address": 1000, "country": 2}


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
) -> tuple[Order, bool]:
    """Place an order, with its first task and its mail, or raise ValidationError with sentences per field.

    Returns the order, and whether it is new: the same key with the same digest gives the order that is
    there. The same key with another digest raises IdempotencyConflict.
    """
    known = _known(configuration, idempotency_key, request_digest)
    if known:
        return known, False
    recipient = recipient or Recipient()
    contents = list(configuration.contents.order_by("path"))
    errors = _errors(configuration, contents, by, kind, media, quantity, recipient, idempotency_key)
    if errors:
        raise ValidationError(errors)
    order = _order(configuration, contents, by, kind, media, quantity, recipient)
    order.idempotency_key, order.request_digest = idempotency_key, request_digest
    try:
        with transaction.atomic():
            _insert(order, by=by.email)
    except IntegrityError:  # somebody else was faster with the same key
        known = _known(configuration, idempotency_key, request_digest)
        if not known:
            raise
        return known, False
    return order, True


def _known(configuration: Configuration, key: str | None, digest: str) -> Order | None:
    if not key:
        return None
    order = Order.objects.filter(organization=configuration.organization, idempotency_key=key).first()
    if order and order.request_digest != digest:
        raise IdempotencyConflict(
            _("The key “%(key)s” was used for another order (%(order)s). Use a new key for a new order.")
            % {"key": key, "order": order}
        )
    return order


def _insert(order: Order, *, by: str) -> None:
    order.save(force_insert=True)
    order.refresh_from_db(fields=["number"])
    order.moves.create(came_from="", went_to=OrderStatus.PLACED, by=by)
    flow.begin(order, by=by)
    notices.tell(order)


def _order(
    configuration: Configuration,
    contents: list[Content],
    by: User,
    kind: str,
    media: Media,
    quantity: int,
    recipient: Recipient,
) -> Order:
    """The order, a copy of everything that may change later."""
    order = Order(
        organization=configuration.organization,
        created_by=by,
        kind=kind,
        media=media,
        quantity=quantity,
        configuration=configuration,
        name=configuration.name,
        contents=recipe.snapshot(contents),
        recipe=recipe.recipe(configuration, contents, size=media.bytes),
        **{f"recipient_{field}": value.strip() for field, value in asdict(recipient).items()},
    )
    order.image_name = image_name(configuration.name, order.pk)
    return order


def image_name(name: str, order_id: uuid.UUID) -> str:
    """The stem of the image's files: a readable part, and one that nobody else has."""
    return f"{slugify(name)[:40].strip('-_') or 'hotspot'}-{order_id.hex[:10]}"


def _errors(
    configuration: Configuration,
    contents: list[Content],
    by: User,
    kind: str,
    media: Media,
    quantity: int,
    recipient: Recipient,
    key: str | None,
) -> Errors:
    errors = {
        "configuration": [*_configuration_errors(configuration, contents, by)],
        "kind": []
        if kind in Order.Kind.values
        else [_("Order either cards (physical) or a download (virtual).")],
        "media": _media_errors(configuration, kind, media),
        "quantity": _quantity_errors(kind, quantity),
        **_recipient_errors(kind, recipient),
        "__all__": _server_errors(key),
    }
    return {field: sentences for field, sentences in errors.items() if sentences}


def _server_errors(key: str | None) -> list[str]:
    errors = []
    if not (settings.BASE_IMAGE_URL and settings.BASE_IMAGE_BYTES):
        errors.append(
            _(
                "No base image is set up on this server, so nothing can be built. "
                "An administrator sets BASE_IMAGE_URL and BASE_IMAGE_BYTES."
            )
        )
    if key and len(key) > MAX_KEY:
        errors.append(_("The Idempotency-Key may have at most %(limit)s characters.") % {"limit": MAX_KEY})
    return errors


def _configuration_errors(configuration: Configuration, contents: list[Content], by: User) -> list[str]:
    if by.role != Role.STAFF and by.organization_id != configuration.organization_id:
        return [_("There is no such configuration in your organization.")]
    errors = []
    if not configuration.organization.active:
        errors.append(
            _("The organization %(name)s may not order at present.") % {"name": configuration.organization}
        )
    gone = [content.title for content in contents if not content.active]
    if gone:
        errors.append(
            _("No longer available: %(titles)s. Remove them from the configuration.")
            % {"titles": ", ".join(gone)}
        )
    return errors + _path_errors({content.path for content in contents})


def _path_errors(paths: set[str]) -> list[str]:
    """No content where another one needs a folder."""
    files = {above for path in paths for above in map(str, PurePosixPath(path).parents)} & paths
    return [
        _("%(path)s cannot be a file and a folder. Remove one of the contents that use it.") % {"path": path}
        for path in sorted(files)
    ]


def _quantity_errors(kind: str, quantity: int) -> list[str]:
    if kind == Order.Kind.VIRTUAL and quantity != 1:
        return [_("A download is ordered once: the quantity must be 1.")]
    if not 1 <= quantity <= MAX_QUANTITY:
        return [
            _("Order 1 to %(limit)s cards at a time; you asked for %(has)s.")
            % {"limit": MAX_QUANTITY, "has": quantity}
        ]
    return []


def _media_errors(configuration: Configuration, kind: str, media: Media) -> list[str]:
    if not media.active:
        return [_("%(media)s can no longer be ordered. Choose another size.") % {"media": media}]
    if media.kind != kind:
        return [_("%(media)s is not for this kind of order. Choose another size.") % {"media": media}]
    needed = sizes.needed_by(configuration)
    if needed <= media.bytes:
        return []
    sentence = _("The content needs %(needed)s; %(media)s holds %(has)s.") % {
        "needed": filesizeformat(needed),
        "media": media,
        "has": filesizeformat(media.bytes),
    }
    larger = sizes.smallest_fitting(kind, needed)
    if larger:
        return [sentence + " " + _("The smallest that fits is %(larger)s.") % {"larger": larger}]
    return [sentence + " " + _("No size is large enough: remove contents from the configuration.")]


def _recipient_errors(kind: str, recipient: Recipient) -> Errors:
    errors: Errors = {}
    if kind == Order.Kind.PHYSICAL:
        for field in ("name", "address", "country"):
            if not getattr(recipient, field).strip():
                errors[f"recipient_{field}"] = [_("Needed to send the cards.")]
    if recipient.country and recipient.country not in countries.names():
        errors["recipient_country"] = [_("Not a country code. Use two capital letters, for example ML.")]
    for field, value in asdict(recipient).items():
        limit = LIMITS[field]
        if len(value) > limit and f"recipient_{field}" not in errors:
            errors[f"recipient_{field}"] = [_("At most %(limit)s characters.") % {"limit": limit}]
    if recipient.email:
        try:
            validate_email(recipient.email)
        except ValidationError as error:
            errors["recipient_email"] = error.messages
    return errors
