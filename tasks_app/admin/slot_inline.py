"""The slots of a host, on its page in the admin."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from imager.accounts.admin.readonly import TABLE
from tasks_app import buses
from tasks_app.buses import BusNote
from tasks_app.models import Slot


class SlotInline(admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    model = Slot
    template = TABLE
    extra = 0
    readonly_fields = [
        "name",
        "present",
        "card_bytes",
        "model",
        "contents",
        "problem",
        "link",
        "quarantined_at",
        "quarantine_note",
        "seen_at",
    ]
    fields = ["name", "disabled", *readonly_fields[1:]]
    _links: dict[int, BusNote] | None = None  # of the one host whose page this is

    @admin.display(description=_("USB link"))
    def link(self, slot: Slot) -> str:
        """What it is, and what to do about it."""
        if self._links is None:
            self._links = buses.notes(Slot.objects.filter(host=slot.host_id))
        note = self._links.get(slot.pk)
        return " ".join(filter(None, (note.link + ".", note.advice))) if note else "–"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Slot]:
        return super().get_queryset(request).select_related("host")  # each row is named by it

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
