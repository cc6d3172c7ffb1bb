"""Pages of configurations: list, new, edit, duplicate, delete and take back."""

from __future__ import annotations

from typing import Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Aggregate, BigIntegerField, Count, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from imager.accounts.visitor import demand
from orders import keeping, queries
from orders.configuration_form import ConfigurationForm
from orders.differences import differences
from orders.models import Configuration
from orders.views import picking
from orders.views.room import room
from orders.views.visitor import HTMX, Request, needs, visitor

PER_PAGE: Final = 25
DELETED_SHOWN: Final = 10
SORTS: Final = {
    "name": ("name", "pk"),
    "-name": ("-name", "-pk"),
    "size": ("bytes", "pk"),
    "-size": ("-bytes", "-pk"),
    "changed": ("updated_at", "pk"),
    "-changed": ("-updated_at", "-pk"),
    "by": ("updated_by__name", "updated_by__email", "pk"),
    "-by": ("-updated_by__name", "-updated_by__email", "-pk"),
}
PARTS: Final = {"picker": "orders/_picked.html", "found": "orders/_found.html"}  # of the page, for htmx
PICTURES: Final = {"logo": "branding_logo", "favicon": "branding_favicon"}


@login_required
@require_safe
def configurations(request: Request) -> HttpResponse:
    """The hotspots that were described, and those deleted last."""
    user = visitor(request)
    found = queries.visible_configurations(user).prefetch_related(None)
    mine = request.GET.get("mine") == "1"
    if mine:
        found = found.filter(updated_by=user)
    gone = Q(content__active=False) | Q(content__missing_since__isnull=False)
    found = found.annotate(
        files=_of_contents(Count("pk")),
        bytes=_of_contents(Sum("content__size", output_field=BigIntegerField())),
        gone=_of_contents(Count("pk", filter=gone)),
    )
    sort = request.GET.get("sort", "-changed")
    page = Paginator(found.order_by(*SORTS.get(sort, SORTS["-changed"])), PER_PAGE)
    deleted = queries.deleted_configurations(user).prefetch_related(None)[:DELETED_SHOWN]
    context = {"page": page.get_page(request.GET.get("page")), "deleted": deleted, "mine": mine, "sort": sort}
    return render(request, "orders/configurations.html", context)


def _of_contents(aggregate: Aggregate) -> Coalesce:
    """What the contents of each configuration come to, asked for those alone that are shown."""
    held = Configuration.contents.through.objects.filter(configuration=OuterRef("pk")).order_by()
    told = held.values("configuration").annotate(told=aggregate)
    return Coalesce(Subquery(told.values("told")), 0)  # type: ignore[misc]  # an annotation


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
    """The form; saved if it is sent and right. htmx gets what everything chosen so far takes."""
    sent = request.POST if request.method == "POST" else None
    if request.htmx.target == "total":
        return render(request, "orders/_total.html", room(subject, request.POST))
    if sent is not None and subject.pk:
        demand(request, "orders.change_configuration")
    picker = picking.picker(request.POST, _chosen(subject, sent), language=str(subject.language))
    stored = room(subject, sent and picker.sent(sent))  # before the form writes into the subject
    form = ConfigurationForm(sent, request.FILES or None, instance=subject, by=visitor(request))
    context = {"form": form, "configuration": subject if subject.pk else None, "picker": picker, **stored}
    context["may_order"] = form.by.may("orders.add_order")
    if picking.STEP in request.POST or request.htmx.target in PARTS:
        form.without_complaints()
    elif sent is not None and "measure" not in sent and form.is_valid():
        try:
            return _saved(request, form)
        except keeping.Stale as error:
            context["stale"] = error
            context["differences"] = _overtaken(form, error)
    return render(request, PARTS.get(request.htmx.target or "", "orders/configuration.html"), context)


def _chosen(subject: Configuration, sent: QueryDict | None) -> list[str]:
    """Keys of the contents that are in the form."""
    if sent is not None:
        return sent.getlist("contents")
    return [str(content.pk) for content in subject.contents.all()] if subject.pk else []


def _saved(request: Request, form: ConfigurationForm) -> HttpResponse:
    saved = form.save()
    messages.success(request, _("The configuration “%(name)s” is saved.") % {"name": saved})
    if request.POST.get("then") == "order":
        return redirect(reverse("order_new", query={"configuration": saved.pk}))
    return redirect("configurations")


def _overtaken(form: ConfigurationForm, error: keeping.Stale) -> object:
    """What the other one has changed. Sent once more, the form has been told of it, and is saved."""
    seen = form.cleaned_data["version"]
    values = dict(error.newest.versions.filter(number=seen).values_list("number", "values"))
    form.show("version", str(error.newest.version))
    return differences(values.get(seen, {}), keeping.values_of(error.newest))


@login_required
@require_safe
def configuration_picture(request: Request, pk: int, what: str) -> HttpResponseBase:
    """A logo, for those who may see the configuration."""
    found = get_object_or_404(queries.visible_configurations(visitor(request)), pk=pk)
    upload = getattr(found, PICTURES.get(what, ""), None)
    if upload is None:
        raise Http404
    response = FileResponse(upload.file.open("rb"), content_type="image/png")
    response["Cache-Control"] = "private, max-age=60"
    return response


@login_required
@needs("orders.add_configuration")
@require_POST
def configuration_duplicate(request: Request, pk: int) -> HttpResponse:
    """A copy of it, opened to be changed."""
    found = get_object_or_404(queries.visible_configurations(visitor(request)), pk=pk)
    made = keeping.duplicate(found, by=visitor(request))
    messages.success(request, _("“%(name)s” is a copy. Change it as you like.") % {"name": made})
    return redirect("configuration", pk=made.pk)


@login_required
@needs("orders.delete_configuration")
@require_POST
def configuration_delete(request: Request, pk: int) -> HttpResponse:
    """Take a hotspot's description out of the lists; it can be taken back. Orders stay."""
    found = get_object_or_404(queries.visible_configurations(visitor(request)), pk=pk)
    keeping.delete(found)
    text = _("The configuration “%(name)s” is deleted. Below the list you can take it back.")
    messages.success(request, text % {"name": found})
    return redirect("configurations")


@login_required
@needs("orders.delete_configuration")
@require_POST
def configuration_undelete(request: Request, pk: int) -> HttpResponse:
    """Back into the lists."""
    found = get_object_or_404(queries.deleted_configurations(visitor(request)), pk=pk)
    keeping.undelete(found)
    messages.success(request, _("The configuration “%(name)s” is back.") % {"name": found})
    return redirect("configurations")
