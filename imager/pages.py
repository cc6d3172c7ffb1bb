"""Pages about the service itself: its health, for a monitoring and for staff."""

from __future__ import annotations

from typing import Final

from django.contrib.auth.decorators import login_required
from django.core.cache import caches
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from imager import health
from imager.accounts.visitor import staff_only

HEALTH: Final = "health"
HEALTH_KEPT: Final = 5  # seconds


@never_cache
@require_safe
def health_check(request: HttpRequest) -> HttpResponse:  # noqa: ARG001  # Django's signature
    """200 if everything works, else 503; by name, true or false. Nothing that strangers may not know."""
    told = _known()
    good = all(told.values())
    return JsonResponse({"operational": good, "checks": told}, status=200 if good else 503)


def _known() -> dict[str, bool]:
    """Seconds old at most, for each process: strangers cannot keep the database busy."""
    memory = caches["throttle"]
    told: dict[str, bool] | None = memory.get(HEALTH)
    if told is None:
        try:
            told = {check.name: check.good for check in health.checks()}
        except (DatabaseError, InterfaceError):
            told = {"database": False}
        memory.set(HEALTH, told, HEALTH_KEPT)
    return told


@never_cache
@login_required
@require_safe
def health_page(request: HttpRequest) -> HttpResponse:
    """The same in words, with what is wrong."""
    staff_only(request, "tasks_app.view_pulse")
    found = health.checks()
    return render(request, "health.html", {"checks": found, "good": all(check.good for check in found)})
