"""Accounts that end: two mails before, one when it has happened. What refuses them is `User.bar`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import QuerySet

from imager import clock
from imager.accounts import mail
from imager.accounts.models import Role, User

WARNINGS: Final = (14, 3)  # days before
TOLD: Final = timedelta(days=30)  # whoever ended longer ago is not written to any more


def expire_accounts() -> int:
    """Write to everybody whose account ends soon or has ended; each mail is sent once. Returns to how many.

    Safe to repeat at any time, and in two schedulers at once.
    """
    now = clock.now()
    told = 0
    for user in _ending(now):
        days = _stage(user, now)
        mail.queue(
            "account_expired" if days == 0 else "account_expiring",
            to=user.email,
            language=user.preferred_language,
            dedupe=f"account-{user.pk}-ends-{user.expires_at:%Y%m%dT%H%M%S}-{days}",
            person=user,
            until=user.expires_at,
            url=settings.PUBLIC_URL,
        )
        told += 1
    return told


def _ending(now: datetime) -> QuerySet[User]:
    """People whose account ends within the first warning, or ended lately."""
    people = User.objects.filter(role__in=[Role.MEMBER, Role.STAFF], is_active=True)
    window = (now - TOLD, now + timedelta(days=WARNINGS[0]))
    return people.filter(expires_at__range=window).select_related("organization").order_by("pk")


def _stage(user: User, now: datetime) -> int:
    """The last warning that is due, in days before the end; 0: it has ended."""
    assert user.expires_at is not None  # noqa: S101  # _ending has looked
    left = user.expires_at - now
    if left <= timedelta(0):
        return 0
    return min(days for days in WARNINGS if left <= timedelta(days=days))
