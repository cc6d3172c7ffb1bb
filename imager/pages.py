"""Pages about the service itself: its health, for a monitoring and for staff."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from imager import health
from imager.accounts.visitor import staff_only


@never_cache
@require_safe
def health_check(request: HttpRequest) -> HttpResponse:  # noqa: ARG001  # Django's signature
    """200 if everything works, else 503; by name, true or false. Nothing that strangers may not know."""
    try:
        told = {check.name: check.good for check in health.checks()}
    except (DatabaseError, InterfaceError):
        told = {"database": False}
    good = all(told.values())
    return JsonResponse({"operational": good, "checks": told}, status=200 if good else 503)


@never_cache
@login_required
@require_safe
def health_page(request: HttpRequest) -> HttpResponse:
    """The same in words, with what is wrong."""
    staff_only(request, "tasks_app.view_pulse")
    found = health.checks()
    return render(request, "health.html", {"checks": found, "good": all(check.good for check in found)})
