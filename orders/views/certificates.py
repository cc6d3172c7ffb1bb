"""Certificates of cards, for whoever scans the code on one; labels with that code, for staff."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from imager.accounts.visitor import staff_only
from orders import certificates, queries
from orders.views.visitor import visitor
from tasks_app.models import Card

CODE_KEPT = 24 * 3600  # seconds; the address in it never changes


@require_safe
def certificate(request: HttpRequest, key: str) -> HttpResponse:
    """What is on a verified card, and what was proved of it. Needs no login."""
    try:
        found = certificates.certificate_of(key)
    except Card.DoesNotExist:
        raise Http404 from None
    answer = render(request, "orders/certificate.html", {"certificate": found, "card": found.card})
    answer["X-Robots-Tag"] = "noindex"
    return answer


@require_safe
def code(_request: HttpRequest, key: str) -> HttpResponse:
    """The QR code that leads to the certificate."""
    card = get_object_or_404(certificates.certified(), certificate_key=key)
    headers = {"Cache-Control": f"public, max-age={CODE_KEPT}", "X-Content-Type-Options": "nosniff"}
    return HttpResponse(certificates.code_of(card), content_type="image/svg+xml", headers=headers)


@login_required
@require_safe
def labels(request: HttpRequest, pk: str) -> HttpResponse:
    """A label for each verified card of the order, to be printed; `card`: for that serial number alone."""
    staff_only(request, "orders.ship_order")
    order = get_object_or_404(queries.visible_orders(visitor(request)).defer("recipe", "contents"), pk=pk)
    cards = certificates.certified().filter(order=order).order_by("unit")
    if only := request.GET.get("card", ""):
        cards = cards.filter(serial=only.replace("\x00", ""))
    found = [(card, certificates.address_of(card)) for card in cards]
    return render(request, "orders/labels.html", {"order": order, "labels": found})
