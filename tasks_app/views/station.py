"""The station: what an operator sees at a writer host. One big tile per slot, usable on a phone."""

from __future__ import annotations

import re

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from imager.accounts.visitor import staff_only
from imager.api import Problem
from tasks_app import queries, services
from tasks_app.models import Host, Slot
from tasks_app.statistics import lots_in_use

OPERATE = "tasks_app.change_slot"
DISKSEQ = re.compile(r"-?[0-9]{1,19}")


@login_required
@require_safe
def stations(request: HttpRequest) -> HttpResponse:
    """The writer hosts."""
    staff_only(request, OPERATE)
    return render(request, "tasks_app/stations.html", {"stations": queries.stations()})


@vary_on_headers("HX-Request")
@login_required
@require_safe
def station(request: HttpRequest, name: str) -> HttpResponse:
    """One writer host: its slots and what each needs now. htmx asks for the tiles alone."""
    staff_only(request, OPERATE)
    host = get_object_or_404(Host.objects.select_related("lot"), name=name, kind=Host.Kind.WRITER)
    context = {"host": host, "silent": queries.silent(host), **queries.station(host)}
    if getattr(request, "htmx", False):
        return render(request, "tasks_app/_tiles.html", context)
    return render(request, "tasks_app/station.html", {**context, "lots": lots_in_use()})


@login_required
@require_POST
def confirm(request: HttpRequest, name: str, slot: str) -> HttpResponse:
    """The operator confirms the card that the page showed."""
    staff_only(request, OPERATE)
    found = get_object_or_404(Slot.objects.select_related("host"), host__name=name, name=slot)
    seen, boot_id = request.POST.get("diskseq", ""), request.POST.get("boot_id", "")
    diskseq = int(seen) if DISKSEQ.fullmatch(seen) else None
    try:
        services.confirm(found, diskseq=diskseq, boot_id=boot_id, by=str(request.user))
    except Problem as problem:
        messages.error(request, str(problem.detail))
    else:
        messages.success(request, _("The card in slot %(slot)s will be wiped and written.") % {"slot": slot})
    return redirect("station", name=name)


@login_required
@require_POST
def release(request: HttpRequest, name: str, slot: str) -> HttpResponse:
    """Somebody looked at a quarantined reader, says so, and lets it serve again."""
    staff_only(request, OPERATE)
    found = get_object_or_404(Slot.objects.select_related("host"), host__name=name, name=slot)
    if request.POST.get("checked") != "yes":
        messages.error(request, _("Say first that you have looked at the reader of slot %s.") % slot)
        return redirect("station", name=name)
    try:
        services.release_slot(found, by=str(request.user))
    except Problem as problem:
        messages.error(request, str(problem.detail))
    else:
        messages.success(request, _("Slot %(slot)s serves again.") % {"slot": slot})
    return redirect("station", name=name)


@login_required
@require_POST
def lot(request: HttpRequest, name: str) -> HttpResponse:
    """The operator tells where the cards come from that are inserted from now on."""
    staff_only(request, OPERATE)
    host = get_object_or_404(Host, name=name, kind=Host.Kind.WRITER)
    try:
        found = services.use_lot(host, brand=request.POST.get("brand", ""), name=request.POST.get("lot", ""))
    except Problem as problem:
        messages.error(request, str(problem.detail))
    else:
        told = _("Cards that are begun from now on are counted as %(lot)s.") % {"lot": found}
        messages.success(request, told if found else _("Cards are counted without brand from now on."))
    return redirect("station", name=name)
