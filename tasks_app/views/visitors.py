"""Who may see what is for staff alone."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.translation import gettext as _


def staff_only(request: HttpRequest) -> None:
    """Raise PermissionDenied for everybody else. Only in views behind `login_required`."""
    if not (request.user.is_authenticated and request.user.is_staff):
        raise PermissionDenied(_("Only staff may see this page. Ask an administrator for the role."))
