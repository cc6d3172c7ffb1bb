"""Who asks for a page, and how."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from imager.accounts.visitor import needs, visitor

__all__ = ["HTMX", "Request", "needs", "visitor"]

HTMX: Final = ("HX-Request", "HX-Target")  # what decides between a page and a part of it: caches must know


class Request(HttpRequest):
    """A request as our middleware hands it on."""

    htmx: HtmxDetails
