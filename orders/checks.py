"""What cannot be built or sent, and why: sentences per field of an order, each with the way out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from django.conf import settings
from django.utils.translation import gettext as _

from imager.accounts.models import Role, User
from imager.sizes import apart
from orders import allowance, sizes
from orders.models import Configuration, Content, Media, Order
from orders.recipients import Recipient, recipient_errors

__all__ = ["Recipient", "Wish", "errors_of", "recipient_errors"]

MAX_KEY: Final = 100

Errors = dict[str, list[str]]


@dataclass(frozen=True)
class Wish:
    """An order that somebody would like to place."""

    configuration: Configuration
    contents: tuple[Content, ...]
    by: User
    kind: str
    media: Media
    quantity: int
    recipient: Recipient
    key: str | None
    free: bool = False  # staff make good for something: no units, no limits


def errors_of(wish: Wish) -> Errors:
    """Everything that speaks against the order, by field; empty if nothing does."""
    errors = {
        "configuration": _configuration(wish),
        "kind": _kind(wish),
        "media": _media(wish),
        "quantity": _quantity(wish),
        **recipient_errors(wish.recipient, needed=wish.kind == Order.Kind.PHYSICAL),
        "__all__": [*_server(wish), *allowance.refusals(wish)],
    }
    return {field: sentences for field, sentences in errors.items() if sentences}


def _server(wish: Wish) -> list[str]:
    errors = []
    if not (settings.BASE_IMAGE_URL and settings.BASE_IMAGE_BYTES):
        errors.append(
            _(
                "No base image is set up on this server, so nothing can be built. "
                "An administrator sets BASE_IMAGE_URL and BASE_IMAGE_BYTES."
            )
        )
    if wish.key and len(wish.key) > MAX_KEY:
        errors.append(_("The Idempotency-Key may have at most %(limit)s characters.") % {"limit": MAX_KEY})
    return errors


def _configuration(wish: Wish) -> list[str]:
    organization = wish.configuration.organization
    if wish.by.role != Role.STAFF and wish.by.organization_id != organization.pk:
        return [_("There is no such configuration in your organization.")]
    errors = []
    if wish.configuration.deleted_at:
        errors.append(_("This configuration was deleted. Take it back before it is ordered."))
    if not organization.active:
        errors.append(_("The organization %(name)s may not order at present.") % {"name": organization})
    gone = ", ".join(content.title for content in wish.contents if not content.available)
    if gone:
        errors.append(
            _("No longer available: %(titles)s. Replace or remove them in the configuration.")
            % {"titles": gone}
        )
    return errors + _paths({content.path for content in wish.contents if content.url})


def _paths(paths: set[str]) -> list[str]:
    """No content where another one needs a folder."""
    files = {above for path in paths for above in map(str, PurePosixPath(path).parents)} & paths
    sentence = _("%(path)s cannot be a file and a folder. Remove one of the contents that use it.")
    return [sentence % {"path": path} for path in sorted(files)]


def _kind(wish: Wish) -> list[str]:
    if wish.kind not in Order.Kind.values:
        return [_("Order either cards (physical) or a download (virtual).")]
    if wish.kind == Order.Kind.PHYSICAL and not wish.by.may_order_cards:
        return [_("You may order downloads, not cards. Order a download, or ask the staff for the right.")]
    return []


def _quantity(wish: Wish) -> list[str]:
    if wish.kind == Order.Kind.VIRTUAL and wish.quantity != 1:
        return [_("A download is ordered once: the quantity must be 1.")]
    most = allowance.max_quantity(wish.configuration.organization)
    if 1 <= wish.quantity <= most:
        return []
    sentence = _("Order 1 to %(limit)s cards at a time; you asked for %(has)s.")
    return [sentence % {"limit": most, "has": wish.quantity}]


def _media(wish: Wish) -> list[str]:
    media = wish.media
    if not media.active:
        return [_("%(media)s can no longer be ordered. Choose another size.") % {"media": media}]
    if media.kind != wish.kind:
        return [_("%(media)s is not for this kind of order. Choose another size.") % {"media": media}]
    needed = sizes.needed_by(wish.configuration, wish.contents)
    if needed <= media.bytes:
        return []
    sentence = _("The content needs %(needed)s; %(media)s holds %(has)s.")
    takes, has = apart(needed, media.bytes)
    words = {"needed": takes, "media": media, "has": has}
    return [sentence % words + " " + _way_out(wish.kind, needed)]


def _way_out(kind: str, needed: int) -> str:
    larger = sizes.smallest_fitting(kind, needed)
    if larger:
        return _("The smallest that fits is %(larger)s.") % {"larger": larger}
    return _("No size is large enough: remove contents from the configuration.")
