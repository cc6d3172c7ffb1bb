"""Who asks for a page, and how."""

from __future__ import annotations

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from imager.accounts.models import User


class Request(HttpRequest):
    """A request as our middleware hands it on."""

    htmx: HtmxDetails


def visitor(request: HttpRequest) -> User:
    """The person who is logged in. Only in views behind `login_required`."""
    assert isinstance(request.user, User)  # noqa: S101  # login_required has looked
    return request.user
