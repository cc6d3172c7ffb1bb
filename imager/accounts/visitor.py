"""Who asks for a page or the API, and whether they may."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from rest_framework.request import Request

from imager.accounts.models import User

View = Callable[..., HttpResponse]


def visitor(request: HttpRequest | Request) -> User:
    """The person who is logged in. Only behind `login_required`, a permission class, or the admin's door."""
    assert isinstance(request.user, User)  # noqa: S101  # one of them has looked
    return request.user


def demand(request: HttpRequest, permission: str) -> None:
    """Raise PermissionDenied for staff without `permission`. Members pass: querysets bound them."""
    if not visitor(request).may(permission):
        raise PermissionDenied(_("Your group of staff may not do this. Ask an administrator for the right."))


def staff_only(request: HttpRequest, permission: str) -> None:
    """Raise PermissionDenied for all but staff with `permission`. Only behind `login_required`."""
    if not visitor(request).is_staff:
        raise PermissionDenied(_("Only staff may see this page. Ask an administrator for the role."))
    demand(request, permission)


def needs(permission: str) -> Callable[[View], View]:
    """A view for members, and for staff with `permission`. Put it below `login_required`."""

    def wrapped(view: View) -> View:
        @wraps(view)
        def looking(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            demand(request, permission)
            return view(request, *args, **kwargs)

        return looking

    return wrapped
