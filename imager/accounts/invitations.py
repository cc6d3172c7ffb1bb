"""Inviting people: a mail with a token that is good once and for some days, and what becomes of it."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from imager import clock
from imager.accounts import addresses, mail
from imager.accounts.models import Invitation, Organization, User

TOKEN_BYTES: Final = 32


class Gone(Exception):
    """It was used, revoked or replaced, is too old, or never was: whoever asks is not told which."""


@transaction.atomic
def invite(invitation: Invitation, *, by: User | None) -> Invitation:
    """Save a new invitation; `send` follows. `by` None: a program did. Raises ValidationError, per field."""
    invitation.email = invitation.email.strip().lower()
    invitation.invited_by = by
    invitation.expires_at, invitation.token_hash = clock.now(), secrets.token_hex(32)  # good for nothing yet
    check(invitation.organization, invitation.email)
    check_end(invitation.account_ends_at)
    invitation.full_clean(exclude=() if by else ["invited_by"])
    try:
        with transaction.atomic():
            invitation.save(force_insert=True)
    except IntegrityError:
        check(invitation.organization, invitation.email)  # somebody was faster: now it says so
        raise
    return invitation


def check(organization: Organization, email: str) -> None:
    """Whether that person can be invited to it. Raises ValidationError for the field `email`."""
    if User.objects.filter(email__iexact=email).exists():
        sentence = _("%(email)s has an account. Set its organization there.")
    elif _open().filter(organization=organization, email__iexact=email).exists():
        sentence = _("%(email)s is invited already. Send that invitation again, or revoke it.")
    else:
        return
    raise ValidationError({"email": sentence % {"email": email}})


def check_end(ends_at: datetime | None) -> None:
    """Whether an account that ends then can be let in. Raises ValidationError for `account_ends_at`."""
    if ends_at is not None and ends_at <= clock.now():
        sentence = _("The account would have ended before it begins: choose a later time, or leave it empty.")
        raise ValidationError({"account_ends_at": sentence})


def send(invitation: Invitation) -> Invitation:
    """Mail a new token; any earlier one is void. Raises Gone, or OSError if the mail server refuses it."""
    token, now = secrets.token_urlsafe(TOKEN_BYTES), clock.now()
    fields = {
        "token_hash": _hashed(token),
        "expires_at": now + timedelta(days=settings.INVITATION_DAYS),
        "sent_at": now,
    }
    if not _open().filter(pk=invitation.pk).update(**fields):
        raise Gone
    invitation.refresh_from_db()
    mail.send_now(
        "invitation",
        to=invitation.email,
        language=invitation.language or invitation.organization.language,
        invitation=invitation,
        organization=invitation.organization,
        until=invitation.expires_at,
        url=settings.PUBLIC_URL + reverse("invitation", args=[token]),
    )
    return invitation


def revoke(invitation: Invitation) -> Invitation:
    """The token is void from now on. Raises Gone if the invitation is over."""
    if not _open().filter(pk=invitation.pk).update(revoked_at=clock.now()):
        raise Gone
    invitation.refresh_from_db()
    return invitation


def find(token: str) -> Invitation:
    """The invitation that the token opens at this moment. Raises Gone."""
    found = _usable(clock.now()).select_related("organization").filter(token_hash=_hashed(token)).first()
    if found is None:
        raise Gone
    return found


@transaction.atomic
def accept(token: str, *, name: str, password: str) -> User:
    """The new member; one UPDATE decides who. Raises ValidationError for `password1`, or Gone."""
    invitation, now = find(token), clock.now()
    user = User(
        email=invitation.email,
        name=name,
        organization=invitation.organization,
        language=invitation.language,
    )
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise ValidationError({"password1": error.messages}) from error
    if not _usable(now).filter(pk=invitation.pk, token_hash=_hashed(token)).update(accepted_at=now):
        raise Gone
    invitation.refresh_from_db(fields=["account_ends_at", "can_order_cards"])  # a purchase may have met us
    user.expires_at, user.can_order_cards = invitation.account_ends_at, invitation.can_order_cards
    if User.objects.filter(email__iexact=user.email).exists():
        raise Gone
    user.set_password(password)
    user.full_clean()
    user.save(force_insert=True)
    addresses.vouch(user)
    Invitation.objects.filter(pk=invitation.pk).update(accepted_by=user)
    return user


def _open() -> QuerySet[Invitation]:
    return Invitation.objects.filter(accepted_at=None, revoked_at=None)


def _usable(at: datetime) -> QuerySet[Invitation]:
    return _open().filter(expires_at__gt=at, organization__active=True)


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
