"""Pages of a configuration's history: its versions, what two of them have not in common, one taken back."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from orders import keeping, queries
from orders.differences import differences
from orders.models import Configuration, ConfigurationVersion
from orders.views.visitor import Request, needs, visitor

PER_PAGE = 25


def _found(request: Request, pk: int) -> Configuration:
    found = queries.visible_configurations(visitor(request)).prefetch_related(None)
    return get_object_or_404(found, pk=pk)


def _version(configuration: Configuration, number: int) -> ConfigurationVersion:
    return get_object_or_404(configuration.versions.select_related("saved_by"), number=number)


@login_required
@require_safe
def versions(request: Request, pk: int) -> HttpResponse:
    """All that was saved, the newest first."""
    found = _found(request, pk)
    page = Paginator(found.versions.select_related("saved_by").defer("values"), PER_PAGE)
    context = {"configuration": found, "page": page.get_page(request.GET.get("page"))}
    return render(request, "orders/versions.html", context)


@login_required
@require_safe
def version(request: Request, pk: int, number: int) -> HttpResponse:
    """What that version has changed, or how it differs from `?with=NUMBER`."""
    found = _found(request, pk)
    shown = _version(found, number)
    asked = request.GET.get("with", "")
    other = (
        _version(found, int(asked))
        if asked.isascii() and asked.isdigit() and len(asked) < 9
        else found.versions.filter(number__lt=number).order_by("-number").first()
    )
    context = {
        "configuration": found,
        "version": shown,
        "other": other,
        "differences": differences(other.values, shown.values) if other else [],
    }
    return render(request, "orders/version.html", context)


@login_required
@needs("orders.change_configuration")
@require_POST
def version_restore(request: Request, pk: int, number: int) -> HttpResponse:
    """Make an old version the newest one; what was there stays a version, too."""
    found = _found(request, pk)
    lost = keeping.restore(found, _version(found, number), by=visitor(request))
    messages.success(
        request, _("“%(name)s” is as it was in version %(number)s.") % {"name": found, "number": number}
    )
    if lost:
        text = _("No longer in the catalogue, and left out: %(titles)s.")
        messages.warning(request, text % {"titles": ", ".join(lost[:10])})
    return redirect("configuration", pk=pk)
