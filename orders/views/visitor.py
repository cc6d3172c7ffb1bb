"""Who asks for a page, and how."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from imager.accounts.models import User

HTMX: Final = ("HX-Request", "HX-Target")  # what decides between a page and a part of it: caches must know


class Request(HttpRequest):
    """A request as our middleware hands it on."""

    htmx: HtmxDetails


def visitor(request: HttpRequest) -> User:
    """The person who is logged in. Only in views behind `login_required`."""
    assert isinstance(request.user, User)  # noqa: S101  # login_required has looked
    return request.user
