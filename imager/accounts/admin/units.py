"""Units in the admin: the ledger to read, and a form that grants or corrects after asking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imager.accounts import ledger
from imager.accounts.admin.filters import FewFilter
from imager.accounts.admin.large import Large
from imager.accounts.models import Organization, UnitEntry, User
from imager.accounts.visitor import visitor

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    _Entries = ModelAdmin[UnitEntry]
else:
    _Entries = admin.ModelAdmin

GRANT = "accounts.grant_units"
MOST_ORGANIZATIONS = 500  # that a search may mean


@admin.register(UnitEntry)
class UnitEntryAdmin(Large, _Entries):
    """The ledgers of all organizations. Nothing here can be changed: a correction is a new entry."""

    list_display = (
        "at",
        "organization",
        "number",
        "kind",
        "units",
        "balance",
        "reserved",
        "for_",
        "by",
        "note",
    )
    list_filter = ("kind", ("organization", FewFilter), "at")
    list_select_related = ("organization", "order")
    search_fields = ("organization__name", "organization__slug", "=order__number", "by", "note")
    search_help_text = gettext_lazy("Organization, or number of an order; for grants also who, and the note.")
    date_hierarchy = "at"
    ordering = ("-at",)
    sortable_by = ("at",)
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[UnitEntry]:
        """Without what orders carry along."""
        return super().get_queryset(request).defer("order__recipe", "order__contents")

    def find(self, rows: QuerySet[UnitEntry], sought: str) -> QuerySet[UnitEntry]:
        """What staff wrote is sought by its words; of what orders wrote there is too much."""
        number = sought.removeprefix("#")
        is_number = number.isascii() and number.isdigit() and len(number) < 19
        if is_number and number != sought:
            return rows.filter(order__number=int(number))
        named = Organization.objects.filter(Q(name__icontains=sought) | Q(slug__icontains=sought))
        theirs = list(named.order_by("pk").values_list("pk", flat=True)[:MOST_ORGANIZATIONS])
        written = Q(by__icontains=sought) | Q(note__icontains=sought)
        numbered = Q(order__number=int(number)) if is_number else Q()
        return rows.filter(numbered | Q(organization__in=theirs) | (Q(kind__in=UnitEntry.BY_STAFF) & written))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Entries are written by orders, and by the form of an organization."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: UnitEntry | None = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: UnitEntry | None = None) -> bool:
        """Never."""
        return False

    @admin.display(description=gettext_lazy("order"), ordering="order__number")
    def for_(self, entry: UnitEntry) -> str:
        """The order, as a link."""
        if entry.order is None:
            return "–"
        address = reverse("admin:orders_order_change", args=[entry.order_id])
        return format_html('<a href="{}">{}</a>', address, entry.order)


class GrantForm(forms.Form):
    """How many units, and what for."""

    units = forms.IntegerField(
        label=gettext_lazy("units"),
        min_value=-ledger.MOST,
        max_value=ledger.MOST,
        help_text=gettext_lazy("Below 0 takes units back."),
    )
    note = forms.CharField(
        label=gettext_lazy("note"),
        max_length=ledger.MAX_NOTE,
        help_text=gettext_lazy("Members read it in their ledger."),
    )
    last = forms.IntegerField(
        required=False, widget=forms.HiddenInput
    )  # the last entry seen: sent twice, it moved

    def clean_last(self) -> int:
        """Without it, nothing was seen."""
        return self.cleaned_data["last"] or 0


def grant(site: admin.AdminSite, request: HttpRequest, pk: int) -> HttpResponse:
    """Ask how many units, show what that makes, and write the entry once that is confirmed."""
    if not visitor(request).has_perm(GRANT):
        raise PermissionDenied
    organization = get_object_or_404(Organization, pk=pk)
    form = GrantForm(request.POST or None)
    asked = form.is_valid()
    if asked and "confirmed" in request.POST and _granted(form, organization, visitor(request)):
        text = _("%(organization)s has %(balance)s units now.")
        balance = ledger.purse(organization).balance
        messages.success(request, text % {"organization": organization, "balance": balance})
        return redirect("admin:accounts_organization_change", organization.pk)
    purse = ledger.purse(organization)
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": _("Units of %(organization)s") % {"organization": organization},
        "organization": organization,
        "purse": purse,
        "form": form,
        "confirm": asked and not form.errors,
        "after": purse.balance + form.cleaned_data["units"] if asked and not form.errors else 0,
        "opts": Organization._meta,
    }
    return TemplateResponse(request, "admin/accounts/grant.html", context)


def _granted(form: GrantForm, organization: Organization, by: User) -> bool:
    """Whether the entry was written; refusals stand beside the fields."""
    try:
        ledger.grant(organization, by=by, **form.cleaned_data)
    except ValidationError as error:
        form.add_error(None, error)
        return False
    return True
