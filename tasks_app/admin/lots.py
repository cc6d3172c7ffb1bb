"""Lots of cards: entered at the station or here, spelt right here, and never lost."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from imager.accounts.admin.links import links
from tasks_app.models import Card, Lot


@admin.register(Lot)
class LotAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Brand and lot are what staff know; since when there are cards of it, the cards tell."""

    list_display = ["brand", "name", "written", "created_at"]
    search_fields = ["brand", "name"]
    ordering = ["brand", "name"]
    fields = ["brand", "name", "written", "created_at", "elsewhere"]
    readonly_fields = ["written", "created_at", "elsewhere"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lot]:
        """With how many cards were begun."""
        lots: QuerySet[Lot] = super().get_queryset(request)
        cards = Card.objects.filter(lot=OuterRef("pk")).order_by().values("lot").annotate(count=Count("pk"))
        return lots.annotate(cards_begun=Coalesce(Subquery(cards.values("count")), 0))  # of those shown alone

    def has_delete_permission(self, request: HttpRequest, obj: Lot | None = None) -> bool:  # Django's
        """Cards and stations keep of which lot they were."""
        return False

    @admin.display(description=_("elsewhere"))
    def elsewhere(self, lot: Lot) -> str:
        """The cards of it."""
        return links((_("cards"), "tasks_app_card", {"lot__id__exact": lot.pk})) if lot.pk else "–"

    @admin.display(description=_("cards"))
    def written(self, lot: Any) -> int:
        """How many were begun; of a new one, none."""
        return getattr(lot, "cards_begun", 0)
