"""Somebody deletes their account. Rooms that hold more of a person sign up here."""

from __future__ import annotations

from typing import Final, Protocol

from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.db.models import Q

from imager.accounts.models import Invitation, UnitEntry, User

GONE: Final = "—"  # whoever did it has left


class Follower(Protocol):
    """What a room keeps of a person."""

    def open_orders(self, user: User) -> int:
        """How many things of theirs are under way."""
        ...

    def forget(self, user: User) -> None:
        """End what is under way, take the person out of the rest. In one transaction with the deletion."""
        ...


_followers: Final[list[Follower]] = []


def follow(follower: Follower) -> None:
    """Have `follower` called when somebody leaves."""
    if follower not in _followers:
        _followers.append(follower)


def open_orders(user: User) -> int:
    """How many orders would be canceled."""
    return sum(follower.open_orders(user) for follower in _followers)


@transaction.atomic
def delete(user: User) -> None:
    """Delete the account. What colleagues share stays; its tokens and sessions end with it."""
    for follower in _followers:
        follower.forget(user)
    UnitEntry.objects.filter(by=user.email).update(by=GONE)
    _forget_invitations(user)
    _forget_in_log(user)
    user.delete()


def _forget_invitations(user: User) -> None:
    """Those that are over tell nobody's name any more; an open one is still a way in, and stays."""
    mine = Q(accepted_by=user) | Q(email__iexact=user.email, revoked_at__isnull=False)
    Invitation.objects.filter(mine).update(email=GONE, name="")


def _forget_in_log(user: User) -> None:
    """The admin's log keeps what was done to whom in words: those with the person's address go."""
    of_users = Q(content_type__app_label="accounts", content_type__model="user", object_id=str(user.pk))
    told = LogEntry.objects.filter(of_users | Q(object_repr__icontains=user.email))
    told.update(object_repr=GONE)
    LogEntry.objects.filter(change_message__icontains=user.email).update(change_message="")
