"""The e-mail address of an account, as allauth keeps it beside the account itself."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from django.db import transaction

from imager.accounts.models import User


@transaction.atomic
def vouch(user: User) -> None:
    """The present address counts as confirmed, whoever set it: staff and invitations vouch for it.

    Without that, asking for another one would take the present one away before the new one is confirmed.
    What another account has of the address is left over, or was never confirmed: it goes.
    """
    EmailAddress.objects.filter(email__iexact=user.email).exclude(user=user).delete()
    mine = EmailAddress.objects.filter(user=user)
    mine.exclude(email=user.email).filter(verified=True).delete()
    mine.exclude(email=user.email).update(primary=False)
    fields = {"verified": True, "primary": True}
    EmailAddress.objects.update_or_create(user=user, email=user.email, defaults=fields)


@transaction.atomic
def replace(user: User) -> None:
    """The present address is the only one: former ones, and any asked for before, open nothing."""
    EmailAddress.objects.filter(user=user).exclude(email=user.email).delete()
    vouch(user)


def is_confirmed(user: User) -> bool:
    """Whether the account's address is known to be its own."""
    mine = EmailAddress.objects.filter(user=user, email__iexact=user.email, verified=True)
    return bool(mine.exists())


def is_taken(email: str, *, by_other_than: User) -> bool:
    """Whether another account has that address."""
    return User.objects.filter(email__iexact=email).exclude(pk=by_other_than.pk).exists()
