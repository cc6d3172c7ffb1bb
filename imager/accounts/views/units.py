"""The ledger of the visitor's organization."""

from __future__ import annotations

from typing import Final

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from imager.accounts import ledger, queries
from imager.accounts.visitor import visitor
from imager.paging import page_of

PER_PAGE: Final = 25


@login_required
@require_safe
def units(request: HttpRequest) -> HttpResponse:
    """What the organization has left, and every entry that made it so. The admin has all ledgers."""
    user = visitor(request)
    entries = queries.visible_units(user).order_by("-number")
    page = page_of(entries, request.GET.get("page"), per_page=PER_PAGE)
    purse = ledger.purse(user.organization) if user.organization else None
    return render(request, "accounts/units.html", {"page": page, "purse": purse})
