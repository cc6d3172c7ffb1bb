"""One permission per audience of the API. Who it is, `authentication` has found out; this says what for."""

from __future__ import annotations

from typing import Final

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from imager.accounts.models import Role, User


class _HasRole(BasePermission):
    roles: frozenset[str] = frozenset()

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002  # DRF's signature
        return isinstance(request.user, User) and request.user.role in self.roles


_VERBS: Final = {"POST": "add", "PUT": "change", "PATCH": "change", "DELETE": "delete"}
_PLAIN: Final = frozenset({None, "list", "retrieve", "create", "update", "partial_update", "destroy"})


def needed(request: Request, view: APIView) -> str | None:
    """The permission that staff need here; None if the role is enough.

    What the view's `staff_needs` says, by action or for all; else the one of its model for the method, as
    in the admin. An action of its own that changes something needs the right to change.
    """
    action, said = getattr(view, "action", None), getattr(view, "staff_needs", {})
    if isinstance(said, str):
        return said
    if action in said:
        return str(said[action])
    queryset = getattr(view, "queryset", None)
    if queryset is None:
        return None
    verb = _VERBS.get(request.method or "", "view") if action in _PLAIN else "change"
    if request.method in {"GET", "HEAD", "OPTIONS"}:
        verb = "view"
    meta = queryset.model._meta
    return f"{meta.app_label}.{verb}_{meta.model_name}"


class IsMember(_HasRole):
    """Members of an organization, and staff with the right. Which rows they see, the queryset says."""

    roles = frozenset({Role.MEMBER, Role.STAFF})

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Staff by their groups."""
        if not (super().has_permission(request, view) and isinstance(request.user, User)):
            return False
        permission = needed(request, view)
        return permission is None or request.user.may(permission)


class IsStaff(IsMember):
    """Staff alone, with the right."""

    roles = frozenset({Role.STAFF})


class IsCreator(_HasRole):
    """Creator hosts."""

    roles = frozenset({Role.CREATOR})


class IsWriter(_HasRole):
    """Writer hosts (which download, too)."""

    roles = frozenset({Role.WRITER})


class IsHost(_HasRole):
    """Hosts of either kind."""

    roles = frozenset({Role.CREATOR, Role.WRITER})
