"""The hosts at a glance, for staff."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from imager.accounts.visitor import staff_only
from tasks_app import overview


@vary_on_headers("HX-Request")
@login_required
@require_safe
def hosts(request: HttpRequest) -> HttpResponse:
    """All hosts. htmx asks for the table alone."""
    staff_only(request, "tasks_app.view_host")
    template = "tasks_app/_hosts.html" if getattr(request, "htmx", False) else "tasks_app/hosts.html"
    return render(request, template, {"lines": overview.hosts()})
