"""What the admin pages of orders share."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from imager.accounts.models import User


class ReadOnly:
    """Mixin: looks, never touches."""

    extra = 0
    can_delete = False

    def has_add_permission(self, *_args: Any) -> bool:
        return False

    def has_change_permission(self, *_args: Any) -> bool:
        return False

    def has_delete_permission(self, *_args: Any) -> bool:
        return False


def person(request: HttpRequest) -> User:
    """Who is at work here."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
