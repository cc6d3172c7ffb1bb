"""Slots, to take one out of service, and the cards that they wrote. Cards are confirmed at the station."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from imager.accounts.admin.closed import Closed
from imager.accounts.admin.filters import FewFilter
from imager.accounts.admin.large import Large
from imager.accounts.admin.links import links
from imager.accounts.admin.readonly import ReadOnly
from tasks_app.admin.facts import FactsInWords
from tasks_app.admin.finding import of_orders
from tasks_app.models import Card, Slot, SlotEvent
from tasks_app.places import LARGE

SHOWN = ["host", "name", "disabled", "present", "card_bytes", "model", "contents", "problem"]
KEPT = ["quarantined_at", "quarantine_note", "seen_at"]


@admin.register(Slot)
class SlotAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["name", "host", "disabled", "present", "model", "problem", "quarantined_at", "seen_at"]
    list_filter = [("host", FewFilter), "disabled", "present", ("quarantined_at", admin.EmptyFieldListFilter)]
    list_select_related = ["host"]
    search_fields = ["name", "host__name", "model", "problem"]
    fields = [*SHOWN, *KEPT, "elsewhere"]

    def get_readonly_fields(self, request: HttpRequest, obj: Slot | None = None) -> list[str]:  # Django's
        """All that the host says of it."""
        return [name for name in self.fields or [] if isinstance(name, str) and name != "disabled"]

    @admin.display(description=_("elsewhere"))
    def elsewhere(self, slot: Slot) -> str:
        """What it wrote, and when it was taken out of service."""
        mine = {"slot__id__exact": slot.pk}
        return links((_("cards"), "tasks_app_card", mine), (_("events"), "tasks_app_slotevent", mine))

    def has_add_permission(self, request: HttpRequest, *_args: Any) -> bool:  # Django's
        """The host names its slots."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Slot | None = None) -> bool:  # Django's
        """Cards keep on which slot they were written."""
        return False


@admin.register(Card)
class CardAdmin(Closed, Large, FactsInWords, ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    secret = frozenset({"certificate_key"})
    list_display = ["serial", "verdict", "order", "unit", "host", "slot", "card_bytes", "permitted_at"]
    list_filter = ["verdict", ("host", FewFilter)]
    exclude = ["facts", "trouble"]
    readonly_fields = ["trouble_facts", "card_facts"]
    search_fields = ["serial", "order__id", "=order__number"]
    list_select_related = ["order", "host", "slot__host"]
    sortable_by = ["permitted_at"]
    date_hierarchy = "permitted_at"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Card]:
        """Without what orders carry along."""
        return super().get_queryset(request).defer(*LARGE)

    def find(self, rows: QuerySet[Card], sought: str) -> QuerySet[Card]:
        """By the beginning of the serial number, else by the order."""
        serials = rows.filter(serial__startswith=sought.upper())
        return serials if serials.exists() else of_orders(rows, sought)


@admin.register(SlotEvent)
class SlotEventAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["at", "slot", "what", "by", "note"]
    list_filter = ["what", ("slot__host", FewFilter)]
    list_select_related = ["slot__host"]
    search_fields = ["slot__host__name", "slot__name", "by", "note"]
