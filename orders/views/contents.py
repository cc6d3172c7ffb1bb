"""The catalogue as pages: what there is, its editions, and who uses it."""

from __future__ import annotations

from typing import Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from imager.accounts.models import Role, User
from orders import queries
from orders.catalogue import finding, replacing
from orders.models import Content
from orders.views.picking import ORDERS
from orders.views.visitor import HTMX, Request, needs, visitor

PER_PAGE: Final = 50
USERS_SHOWN: Final = 50


@vary_on_headers(*HTMX)
@login_required
@needs("orders.view_content")
@require_safe
def contents(request: Request) -> HttpResponse:
    """The catalogue, by words, language, kind and category; staff also see what is missing."""
    order = request.GET.get("order", "")
    wanted = finding.wanted(request.GET)
    missing = request.GET.get("missing") == "1"
    found = _shown(visitor(request), missing=missing).order_by(*ORDERS.get(order, ORDERS[""]))
    page = Paginator(wanted.filtered(found), PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "wanted": wanted, "order": order, "missing": missing}
    if request.htmx.target == "list":
        return render(request, "orders/_contents.html", context)
    context |= {"languages": finding.languages(), "categories": finding.categories()}
    return render(request, "orders/contents.html", context | {"kinds": Content.Kind.choices})


def _shown(user: User, *, missing: bool) -> QuerySet[Content]:
    """Members see what can be ordered."""
    contents = Content.objects.defer("package", "search")
    return contents.unavailable() if missing and user.role == Role.STAFF else contents.available()


@login_required
@needs("orders.view_content")
@require_safe
def content(request: Request, pk: int) -> HttpResponse:
    """One of them, with its editions and the visible configurations that it is in."""
    user = visitor(request)
    found = get_object_or_404(Content.objects.defer("search"), pk=pk)
    users = queries.visible_configurations(user).prefetch_related(None).filter(contents=found)
    if not found.available and user.role != Role.STAFF:
        get_object_or_404(users[:1])  # members see what vanished only where they use it
    gone = [] if found.available else [found]
    context = {
        "content": found,
        "editions": found.editions.all()[:USERS_SHOWN],
        "users": users.order_by("name", "pk")[:USERS_SHOWN],
        "replacement": replacing.replacements(gone).get(found.pk),
    }
    return render(request, "orders/content.html", context)


@login_required
@needs("orders.change_configuration")
@require_POST
def configuration_replace(request: Request, pk: int) -> HttpResponse:
    """Everything in it that is no longer available by what comes closest to it."""
    found = get_object_or_404(queries.visible_configurations(visitor(request)), pk=pk)
    done = replacing.replace_missing(found, by=visitor(request))
    for old, new in done:
        if new is None:
            text = _("Nothing comes close to “%(title)s”. Remove it in the configuration.")
            messages.warning(request, text % {"title": old})
        else:
            text = _("“%(old)s” is replaced by “%(new)s”.")
            messages.success(
                request, text % {"old": old, "new": f"{new} {new.flavour} {new.version}".strip()}
            )
    if not done:
        messages.info(request, _("Nothing is missing in it."))
    return redirect("configurations")
