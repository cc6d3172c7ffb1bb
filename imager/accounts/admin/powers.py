"""What a visitor of the admin may do to accounts, and to what belongs to them."""

from __future__ import annotations

from django.http import HttpRequest

from imager.accounts import groups
from imager.accounts.models import Role, User
from imager.accounts.visitor import visitor


def is_superuser(request: HttpRequest) -> bool:
    """Whether nothing is refused to them."""
    return visitor(request).is_superuser


def manages_staff(request: HttpRequest) -> bool:
    """Whether accounts of staff and hosts are for them, too."""
    return visitor(request).has_perm(groups.MANAGE_STAFF)


def may_touch(request: HttpRequest, user: User | None) -> bool:
    """Members for all who come here, staff for those who manage them, superusers for superusers alone."""
    if user is None or is_superuser(request):
        return True
    return not user.is_superuser and (user.role == Role.MEMBER or manages_staff(request))
