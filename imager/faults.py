"""Answers for addresses that are not there and for our own bugs: pages, and below /api/ problem details."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views import defaults

API = "/api/"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400 where no view sees the request: it asks for a name that is not ours, or its form is wrong."""
    if not request.path.startswith(API):
        return defaults.bad_request(request, exception)
    detail = _("The request could not be understood. Check its address, its headers and its size.")
    return as_problem(400, "bad_request", detail)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403 where it is refused outside a view of the API."""
    if not request.path.startswith(API):
        return defaults.permission_denied(request, exception)
    return as_problem(403, "permission_denied", _("This account may not do that."))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404 where no view answers."""
    if not request.path.startswith(API):
        return defaults.page_not_found(request, exception)
    detail = _("The address is wrong, or what was here belongs to somebody else or is gone.")
    return as_problem(404, "not_found", detail)


def server_error(request: HttpRequest) -> HttpResponse:
    """500 where a view broke; the log has the traceback."""
    if not request.path.startswith(API):
        return defaults.server_error(request)
    return our_mistake()


def our_mistake() -> JsonResponse:
    """The body of a 500."""
    return as_problem(
        500,
        "our_mistake",
        _(
            "It was written to the log. Nothing half done was kept. "
            "Try again; if it happens again, tell support what you did."
        ),
    )


def as_problem(status: int, code: str, detail: str) -> JsonResponse:
    """The same body as `imager.api.problem` makes, without DRF."""
    title = code.replace("_", " ")
    body = {"type": "about:blank", "status": status, "title": title, "code": code, "detail": detail}
    return JsonResponse(body, status=status, content_type="application/problem+json")
