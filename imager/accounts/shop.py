"""A shop sold access: an organization with an invitation, or more time for whoever is here already.

A purchase is done once, by the shop's own number for it, however often it is told. Passwords go through
nobody's hands: the mail of the invitation leads to a page where the person chooses one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import connection, transaction
from django.utils.text import slugify

from imager import clock
from imager.accounts import invitations, ledger
from imager.accounts.models import Channel, Invitation, Organization, ShopEvent, User

BY: Final = "shop"
NOTE: Final = "Shop, purchase %(event)s"


class Refused(Exception):
    """It cannot be done; `code` is stable."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Purchase:
    """What was sold, and to whom."""

    event: str
    email: str
    name: str = ""
    organization: str = ""
    language: str = ""
    days: int | None = None
    limited: bool = True
    units: int = 0
    cards: bool | None = None  # whether they may order cards; None: somebody new may


@transaction.atomic
def deliver(purchase: Purchase, *, digest: str) -> tuple[ShopEvent, bool]:
    """The purchase's row, and whether it was done now. `send` follows. Raises Refused, or ValidationError."""
    purchase = replace(purchase, email=purchase.email.lower())
    _one_after_the_other()
    known = ShopEvent.objects.filter(event=purchase.event).first()
    if known:
        if known.digest != digest:
            raise Refused("event_conflict")
        return known, False
    waiting = _waiting(purchase)  # first: whoever accepts it at this moment has an account afterwards
    user = User.objects.filter(email__iexact=purchase.email).select_for_update(of=("self",)).first()
    invitation = None if user else _invitation(purchase, waiting)
    organization = _extended(user, purchase) if user else invitation.organization if invitation else None
    if organization is None:
        raise Refused("not_a_member")
    if not organization.active:
        raise Refused("disabled")
    if purchase.units:
        ledger.grant(organization, units=purchase.units, by=BY, note=NOTE % {"event": purchase.event})
    row = ShopEvent(event=purchase.event, digest=digest, organization=organization, invitation=invitation)
    row.save(force_insert=True)
    return row, True


def send(event: ShopEvent) -> bool:
    """Mail the invitation unless it was mailed or is over; whether it went. Raises OSError."""
    if event.invitation_id is None:
        return False
    unsent = Invitation.objects.filter(sent_at=None, accepted_at=None, revoked_at=None)
    with transaction.atomic():  # what did not go was not sent; whoever comes meanwhile finds it sent
        invitation = unsent.select_for_update().filter(pk=event.invitation_id).first()
        if invitation is None:
            return False
        invitations.send(invitation)
    return True


def _one_after_the_other() -> None:
    """Until the transaction ends: two calls for one purchase, person or name would meet in the middle."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('imager.accounts.shop'))")


def _extended(user: User, purchase: Purchase) -> Organization | None:
    """More time for a member, and cards if they are sold. What staff have disabled stays so."""
    if user.is_staff or user.is_host:
        return None
    if not user.is_active:
        raise Refused("disabled")
    if purchase.days and user.expires_at:
        user.expires_at = _end(purchase, user.expires_at)
    if purchase.cards:  # sold; what an account may already do is nobody's to take by selling
        user.can_order_cards = True
    user.save(update_fields=["expires_at", "can_order_cards"])
    return user.organization


def _waiting(purchase: Purchase) -> Invitation | None:
    """The invitation that waits for this person, locked: nobody accepts it until we are done."""
    waiting = Invitation.objects.filter(email__iexact=purchase.email, accepted_at=None, revoked_at=None)
    return waiting.select_related("organization").select_for_update(of=("self",)).first()


def _invitation(purchase: Purchase, found: Invitation | None) -> Invitation:
    """Of a new organization, or the one that waits for this person already, with more time."""
    if found:
        if purchase.days and found.account_ends_at:
            found.account_ends_at = _end(purchase, found.account_ends_at)
        if purchase.cards is not None:
            found.can_order_cards = purchase.cards
        found.sent_at = None  # the mail of this purchase brings a new link
        found.save(update_fields=["account_ends_at", "can_order_cards", "sent_at"])
        return found
    invitation = Invitation(
        organization=_organization(purchase),
        email=purchase.email,
        name=purchase.name,
        language=purchase.language,
        can_order_cards=purchase.cards is not False,
    )
    invitation.account_ends_at = _end(purchase, clock.now()) if purchase.days else None
    return invitations.invite(invitation, by=None)


def _end(purchase: Purchase, since: datetime) -> datetime:
    return max(since, clock.now()) + timedelta(days=purchase.days or 0)


def _organization(purchase: Purchase) -> Organization:
    name = purchase.organization or purchase.name or purchase.email
    fields = {"language": purchase.language} if purchase.language else {}
    organization = Organization(
        name=name[:100],
        slug=_slug(name),
        email=purchase.email,
        channel=Channel.objects.get(slug=settings.SHOP_CHANNEL),
        limited=purchase.limited,
        **fields,
    )
    organization.full_clean()
    organization.save(force_insert=True)
    return organization


def _slug(name: str) -> str:
    """Readable, and nobody else's."""
    stem = slugify(name.partition("@")[0])[:40].strip("-_") or "organization"
    taken = set(Organization.objects.filter(slug__startswith=stem).values_list("slug", flat=True))
    numbers = (f"{stem}-{number}" for number in range(2, len(taken) + 3))
    return next(slug for slug in (stem, *numbers) if slug not in taken)
