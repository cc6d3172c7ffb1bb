"""Who asks for a page or the API."""

from __future__ import annotations

from django.http import HttpRequest

from imager.accounts.models import User


def visitor(request: HttpRequest) -> User:
    """The person who is logged in. Only in views behind `login_required`."""
    assert isinstance(request.user, User)  # noqa: S101  # login_required has looked
    return request.user
