"""One permission per audience of the API. Who it is, `authentication` has found out; this says what for."""

from __future__ import annotations

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from imager.accounts.models import Role, User


class _HasRole(BasePermission):
    roles: frozenset[str] = frozenset()

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002  # DRF's signature
        return isinstance(request.user, User) and request.user.role in self.roles


class IsMember(_HasRole):
    """People: members of an organization, and staff. Which rows they see, the queryset says."""

    roles = frozenset({Role.MEMBER, Role.STAFF})


class IsStaff(_HasRole):
    """Staff alone."""

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
