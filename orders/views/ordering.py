"""The pages of placing an order: the form, then a summary that is confirmed. Nothing is kept in between."""

from __future__ import annotations

import uuid
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from django.views.decorators.vary import vary_on_headers

from imager.accounts import ledger
from orders import allowance, countries, queries, quotes, services, sizes
from orders.models import Order
from orders.order_form import SEEN, OrderForm, as_it_was, as_ordered, organization_of
from orders.views.sizing import sizing
from orders.views.visitor import HTMX, Request, needs, visitor

CHOICES: Final = ("configuration", "kind", "media", "quantity", "address")
PARTS: Final = {"sizes": "orders/_sizes.html", "summary": "orders/_summary.html"}


@vary_on_headers(*HTMX)
@login_required
@needs("orders.add_order")
@require_http_methods(["GET", "HEAD", "POST"])
def order_new(request: Request) -> HttpResponse:
    """The order form. htmx gets the sizes and the summary for what is chosen so far."""
    if request.method != "POST":
        return ask(request, OrderForm(by=visitor(request), initial=_beginning(request)))
    if request.POST.get("step") == "change":
        return ask(request, OrderForm(by=visitor(request), initial=as_it_was(request.POST)))
    form = OrderForm(request.POST, by=visitor(request))
    if not form.is_valid():
        return ask(request, form)
    if request.POST.get("step") == "place" and form.cleaned_data["seen_hotspot"]:
        order = form.place()
        if order:
            messages.success(request, _("Order %(order)s is placed.") % {"order": order})
            return redirect(order)
    quote = form.consider() if form.is_valid() else None
    return confirm(request, form, quote) if quote else ask(request, form)


def _beginning(request: Request) -> dict[str, Any]:
    """What the address names: choices, or an order to be repeated."""
    again = _again(request)
    return (as_ordered(again) if again else {}) | {
        name: request.GET[name] for name in CHOICES if name in request.GET
    }


def _again(request: Request) -> Order | None:
    try:
        key = uuid.UUID(request.GET.get("again", ""))
    except ValueError:
        return None
    order = queries.visible_orders(visitor(request)).defer("recipe").filter(pk=key).first()
    mine = queries.visible_configurations(visitor(request))
    if order and not mine.filter(pk=order.configuration_id or 0).exists():
        text = _("The configuration of order %(order)s was deleted: choose another one.")
        messages.warning(request, text % {"order": order})
    return order


def ask(request: Request, form: OrderForm) -> HttpResponse:
    """The form, or the part of it that htmx asks for."""
    template = PARTS.get(request.htmx.target or "", "orders/order_new.html")
    context = {
        "form": form,
        "sizing": sizing(form, keep=request.htmx.target != "sizes"),
        "staff": form.by.is_staff,
    }
    if template == "orders/order_new.html" and not form.is_bound:
        organization = organization_of(form)
        context["limits"] = allowance.open_orders(organization, form.by) if organization else []
    return render(request, template, context)


def confirm(request: Request, form: OrderForm, quote: services.Quote) -> HttpResponse:
    """Everything that would be ordered, to be said yes to."""
    wish = quote.wish
    seen = {"units": quote.units, "hotspot": quote.hotspot, "recipient": quote.recipient}
    seen["twin"] = quote.twin.number if quote.twin else 0
    purse = ledger.purse(wish.configuration.organization)
    recipient = wish.recipient.tidy()
    needed = sizes.needed_by(wish.configuration, wish.contents)
    context = {
        "form": form,
        "asked": [field for field in form if field.name not in SEEN],
        "seen": {f"seen_{name}": value for name, value in seen.items()},
        "quote": quote,
        "wish": wish,
        "needed": needed,
        "free": wish.media.bytes - needed,
        "purse": purse,
        "after": purse.balance - quote.units,
        "recipient": recipient,
        "country": countries.name_of(recipient.country),
        "changes": form.changes,
        "twin": quotes.twin_in_words(quote.twin) if quote.twin else "",
    }
    return render(request, "orders/order_confirm.html", context)
