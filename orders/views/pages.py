"""The page of an order and what can be done there. htmx gets fragments of the same page."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from imager.accounts.ledger import ShortOfUnits
from imager.accounts.models import Role, User
from imager.lifecycle import IllegalMove, LostRace
from orders import countries, notices, queries, services
from orders.forms import ShipForm
from orders.lifecycle import MOVES, OrderStatus
from orders.models import Order
from orders.stages import line
from orders.views import desk
from orders.views.visitor import HTMX, Request, needs, visitor
from tasks_app import queries as tasks
from tasks_app.models import Card

UNDER_WAY: Final = (
    OrderStatus.PLACED,
    OrderStatus.CREATING,
    OrderStatus.DOWNLOADING,
    OrderStatus.WRITING,
)


@vary_on_headers(*HTMX)
@login_required
@require_safe
def order(request: Request, pk: str) -> HttpResponse:
    """The order. htmx gets the stages, and everything around them once the order has moved."""
    found = get_object_or_404(
        queries.visible_orders(visitor(request)).select_related("configuration").defer("recipe"), pk=pk
    )
    return show(request, found, ShipForm())


def show(request: Request, order: Order, form: ShipForm, status: int = 200) -> HttpResponse:
    """The order's page or, for htmx, its fragment."""
    template = "orders/_progress.html" if request.htmx else "orders/order.html"
    context = facts(visitor(request), order) | desk.facts(request, order)
    context |= {"form": form, "oob": bool(request.htmx)}
    context["moved"] = context["oob"] and request.GET.get("seen") != order.status
    return render(request, template, context, status=status)


def facts(user: User, order: Order) -> dict[str, Any]:
    """What the order's page says."""
    moves = list(order.moves.all())
    ways = MOVES[order.status]
    is_staff = user.role == Role.STAFF
    works = queries.downloadable(order)
    cards = list(order.cards.select_related("host", "slot").order_by("unit", "permitted_at"))
    if not is_staff:
        cards = [card for card in cards if card.verdict == Card.Verdict.ACCEPTED]
    return {
        "order": order,
        "history": [(move, OrderStatus(move.went_to).label) for move in moves],
        "stages": line(order, moves, tasks.progress(order)),
        "waiting": [reason.words(staff=is_staff) for reason in tasks.why_waiting(order)],
        "cards": cards,
        "accepted": sum(card.verdict == Card.Verdict.ACCEPTED for card in cards),
        "size": sum(content["size"] for content in order.contents),
        "country": countries.name_of(order.recipient_country),
        "is_staff": is_staff,
        "live": order.status in UNDER_WAY,
        "can_cancel": user.may("orders.cancel_order")
        and OrderStatus.CANCELED in ways
        and OrderStatus.EXPIRED not in ways,
        "can_end": user.may("orders.cancel_order") and OrderStatus.EXPIRED in ways,
        "ended": order.status == OrderStatus.EXPIRED,
        "can_retry": user.may("orders.retry_order") and order.status == OrderStatus.FAILED,
        "can_ship": is_staff and user.has_perm("orders.ship_order") and OrderStatus.SHIPPED in ways,
        "download_url": notices.download_url(order) if works else "",
        "torrent_url": notices.torrent_url(order) if works else "",
    }


@login_required
@needs("orders.cancel_order")
@require_POST
def order_cancel(request: Request, pk: str) -> HttpResponse:
    """Cancel, if the order is not over."""
    user = visitor(request)
    found = get_object_or_404(queries.visible_orders(user), pk=pk)
    try:
        services.cancel(found, by=user)
    except (IllegalMove, LostRace):
        refused(request, found, _("Order %(order)s cannot be canceled any more: it is “%(status)s”."))
    else:
        messages.success(request, _("Order %(order)s is canceled.") % {"order": found})
    return redirect(found)


@login_required
@needs("orders.cancel_order")
@require_POST
def order_end(request: Request, pk: str) -> HttpResponse:
    """End a download before its time."""
    user = visitor(request)
    found = get_object_or_404(queries.visible_orders(user), pk=pk)
    try:
        services.expire(found, by=user.email)
    except (IllegalMove, LostRace):
        refused(request, found, _("The download of order %(order)s cannot be ended now: it is “%(status)s”."))
    else:
        messages.success(request, _("The download of order %(order)s has ended.") % {"order": found})
    return redirect(found)


@login_required
@needs("orders.retry_order")
@require_POST
def order_retry(request: Request, pk: str) -> HttpResponse:
    """Take a failed order up again."""
    user = visitor(request)
    found = get_object_or_404(queries.visible_orders(user), pk=pk)
    try:
        services.retry(found, by=user)
    except ShortOfUnits as error:
        messages.error(request, str(error))
    except (IllegalMove, LostRace):
        refused(request, found, _("Order %(order)s cannot be retried now: it is “%(status)s”."))
    else:
        messages.success(request, _("Order %(order)s goes on where it stopped.") % {"order": found})
    return redirect(found)


@login_required
@needs("orders.ship_order")
@require_POST
def order_ship(request: Request, pk: str) -> HttpResponse:
    """The cards were sent (staff)."""
    user = visitor(request)
    found = get_object_or_404(queries.visible_orders(user).defer("recipe"), pk=pk)
    if user.role != Role.STAFF:
        raise PermissionDenied(_("Only staff may ship cards."))
    form = ShipForm(request.POST)
    try:
        shipped = form.ship(found, by=user) if form.is_valid() else None
    except (IllegalMove, LostRace):
        refused(request, found, _("Order %(order)s cannot be shipped now: it is “%(status)s”."))
        return redirect(found)
    if shipped is None:
        return show(request, found, form, status=422)
    messages.success(request, _("Order %(order)s is shipped.") % {"order": found})
    return redirect(found)


def refused(request: Request, order: Order, sentence: str) -> None:
    """Tell why nothing happened, with the status that the order has by now."""
    order.refresh_from_db(fields=["status"])
    messages.error(request, sentence % {"order": order, "status": order.get_status_display()})
