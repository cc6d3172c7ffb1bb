"""How cards did, for staff: which lots to buy again, which readers to exchange."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from imager.accounts.visitor import staff_only
from tasks_app.statistics import PERIODS, USUAL, told


@login_required
@require_safe
def cards(request: HttpRequest) -> HttpResponse:
    """Verdicts, speeds and latencies by lot, slot and media; `days`: of cards since then, or `all`."""
    staff_only(request, "tasks_app.view_card")
    chosen = request.GET.get("days", "")
    days = next((days for days in PERIODS if chosen == str(days)), None if chosen == "all" else USUAL)
    tally = told(days)
    context: dict[str, Any] = {"tally": tally, "days": days, "periods": PERIODS}
    if (found := tally.value) is not None:
        tables = [
            ("lot", _("By brand and lot"), [_("Brand"), _("Lot")], found.by_lot),
            ("slot", _("By slot"), [_("Station"), _("Slot")], found.by_slot),
            ("media", _("By media"), [_("Media")], found.by_media),
        ]
        context |= {"tables": tables, "latency": found.latency}
    return render(request, "tasks_app/cards.html", context)
