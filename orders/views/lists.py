"""The list of orders. htmx gets the rows alone."""

from __future__ import annotations

from typing import Final

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from imager.accounts.models import User
from imager.paging import page_of
from orders import queries
from orders.models import Order
from orders.order_filter import OrderFilter
from orders.views.visitor import HTMX, Request, visitor

PER_PAGE: Final = 25


def listed(user: User) -> QuerySet[Order]:
    """The orders that the person sees, without what lists do not show."""
    return queries.visible_orders(user).defer("recipe", "contents")


@vary_on_headers(*HTMX)
@login_required
@require_safe
def orders(request: Request) -> HttpResponse:
    """The orders, searched, filtered, sorted, in pages. The address holds it all."""
    user = visitor(request)
    form = OrderFilter(request.GET, by=user)
    found = form.apply(listed(user))
    page = page_of(found, request.GET.get("page"), per_page=PER_PAGE, most=form.most)
    template = "orders/_list.html" if request.htmx else "orders/orders.html"
    return render(
        request, template, {"page": page, "form": form, "narrowed": form.narrows, "filtered": form.filtered}
    )
