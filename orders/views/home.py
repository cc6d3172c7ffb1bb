"""Home: what is going on, and what waits for whoever looks."""

from __future__ import annotations

from typing import Final

from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from imager.accounts import ledger
from imager.accounts.models import Role
from orders import needs, queries
from orders.lifecycle import FINAL, OPEN, OrderStatus
from orders.views.lists import listed
from orders.views.visitor import Request, visitor
from tasks_app import queries as tasks

RECENT: Final = 8
CONFIGURATIONS: Final = 5
COUNTED: Final = (*OPEN, OrderStatus.READY_TO_SHIP, OrderStatus.AVAILABLE, OrderStatus.FAILED)


@login_required
@require_safe
def home(request: Request) -> HttpResponse:
    """What is going on."""
    user = visitor(request)
    orders = listed(user)
    counted = orders.filter(status__in=COUNTED).order_by().values_list("status")
    counts = dict(counted.annotate(Count("status")))  # of nothing but what the index holds
    context = {
        "open_orders": orders.exclude(status__in=FINAL).order_by("-number")[:RECENT],
        "working": sum(counts.get(status, 0) for status in OPEN),
        "ready": counts.get(OrderStatus.READY_TO_SHIP, 0),
        "available": counts.get(OrderStatus.AVAILABLE, 0),
        "failed": counts.get(OrderStatus.FAILED, 0),
        "stations": tasks.stations() if user.is_staff and user.has_perm("tasks_app.change_slot") else [],
    }
    if user.role == Role.MEMBER and user.organization:
        configurations = queries.visible_configurations(user).prefetch_related(None)
        purse = ledger.purse(user.organization)
        context |= {
            "purse": purse,
            "configurations": configurations.order_by("-updated_at", "-pk")[:CONFIGURATIONS],
            "needs": needs.needs(user, orders=orders, configurations=configurations, purse=purse),
        }
    return render(request, "orders/home.html", context)
