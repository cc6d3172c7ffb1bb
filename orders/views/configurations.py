"""Pages of configurations: list, new, edit, delete."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Sum
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from imager.accounts.visitor import demand
from orders import queries, sizes
from orders.forms import ConfigurationForm
from orders.models import Configuration, Content, Media
from orders.views.visitor import HTMX, Request, needs, visitor

PER_PAGE = 25


@login_required
@require_safe
def configurations(request: Request) -> HttpResponse:
    """The hotspots that were described."""
    found = queries.visible_configurations(visitor(request)).prefetch_related(None)
    found = found.annotate(files=Count("contents"), bytes=Sum("contents__size", default=0))
    page = Paginator(found.order_by("-updated_at", "-pk"), PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "orders/configurations.html", {"page": page})


@vary_on_headers(*HTMX)
@login_required
@needs("orders.add_configuration")
@require_http_methods(["GET", "HEAD", "POST"])
def configuration_new(request: Request) -> HttpResponse:
    """Describe a hotspot."""
    return edit(request, Configuration())


@vary_on_headers(*HTMX)
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def configuration(request: Request, pk: int) -> HttpResponse:
    """Change a hotspot. Orders that were placed keep what they were placed with."""
    return edit(request, get_object_or_404(queries.visible_configurations(visitor(request)), pk=pk))


def edit(request: Request, subject: Configuration) -> HttpResponse:
    """The form; saved if it is sent and right. htmx gets the total of the contents chosen so far."""
    form = ConfigurationForm(request.POST or None, instance=subject, by=visitor(request))
    if request.htmx.target == "total":
        return render(request, "orders/_total.html", total(request.POST.getlist("contents")))
    if request.method == "POST" and subject.pk:
        demand(request, "orders.change_configuration")
    if request.method == "POST" and form.is_valid():
        saved = form.save()
        messages.success(request, _("The configuration “%(name)s” is saved.") % {"name": saved})
        return redirect("configurations")
    chosen = [str(getattr(one, "pk", one)) for one in form["contents"].value() or []]
    context = {"form": form, "configuration": subject if subject.pk else None, **total(chosen)}
    return render(request, "orders/configuration.html", context)


def total(chosen: list[str]) -> dict[str, object]:
    """How many contents, how many bytes, what the image needs, and the smallest card for it."""
    keys = [int(key) for key in chosen if key.isascii() and key.isdigit() and len(key) < 19]
    weights = list(Content.objects.filter(pk__in=keys).values_list("size", flat=True))
    needed = sizes.needed_bytes(settings.BASE_IMAGE_BYTES, weights)
    return {
        "count": len(weights),
        "bytes": sum(weights),
        "needed": needed,
        "smallest": sizes.smallest_fitting(Media.Kind.PHYSICAL, needed),
    }


@login_required
@needs("orders.delete_configuration")
@require_POST
def configuration_delete(request: Request, pk: int) -> HttpResponse:
    """Delete a hotspot's description. Orders stay."""
    found = get_object_or_404(queries.visible_configurations(visitor(request)), pk=pk)
    found.delete()
    messages.success(request, _("The configuration “%(name)s” is deleted.") % {"name": found})
    return redirect("configurations")
