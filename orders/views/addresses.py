"""Pages of the address book: list, new, edit, delete."""

from __future__ import annotations

from typing import Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from imager.accounts.visitor import demand
from orders import countries, queries
from orders.address_form import AddressForm
from orders.models import Address
from orders.views.visitor import Request, needs, visitor

PER_PAGE: Final = 25


@login_required
@require_safe
def addresses(request: Request) -> HttpResponse:
    """The address book, searched, in pages."""
    sought = request.GET.get("q", "").replace("\x00", "").strip()
    found = search(queries.visible_addresses(visitor(request)), sought)
    page = Paginator(found.order_by("name", "pk"), PER_PAGE).get_page(request.GET.get("page"))
    rows = [(address, countries.name_of(address.country)) for address in page.object_list]
    return render(request, "orders/addresses.html", {"page": page, "rows": rows, "q": sought})


def search(addresses: QuerySet[Address], sought: str) -> QuerySet[Address]:
    """Those with all these words in their name, recipient or city."""
    for word in sought.split():
        addresses = addresses.filter(
            Q(name__icontains=word) | Q(recipient__icontains=word) | Q(city__icontains=word)
        )
    return addresses


@login_required
@needs("orders.add_address")
@require_http_methods(["GET", "HEAD", "POST"])
def address_new(request: Request) -> HttpResponse:
    """Enter an address."""
    return edit(request, Address())


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def address(request: Request, pk: int) -> HttpResponse:
    """Change an address. Orders that were placed keep the one that they were placed with."""
    return edit(request, get_object_or_404(queries.visible_addresses(visitor(request)), pk=pk))


def edit(request: Request, subject: Address) -> HttpResponse:
    """The form; saved if it is sent and right."""
    form = AddressForm(request.POST or None, instance=subject, by=visitor(request))
    if request.method == "POST" and subject.pk:
        demand(request, "orders.change_address")
    if request.method == "POST" and form.is_valid():
        saved = form.save()
        messages.success(request, _("The address “%(name)s” is saved.") % {"name": saved})
        return redirect("addresses")
    return render(request, "orders/address.html", {"form": form, "address": subject if subject.pk else None})


@login_required
@needs("orders.delete_address")
@require_POST
def address_delete(request: Request, pk: int) -> HttpResponse:
    """Take an address out of the book. Orders stay."""
    found = get_object_or_404(queries.visible_addresses(visitor(request)), pk=pk)
    found.delete()
    messages.success(request, _("The address “%(name)s” is deleted.") % {"name": found})
    return redirect("addresses")
