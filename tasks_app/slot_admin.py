"""Slots in the admin: to take one out of service. Cards are confirmed at the station."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from tasks_app.models import Slot

SHOWN = ["host", "name", "disabled", "present", "card_bytes", "model", "contents", "problem"]
KEPT = ["quarantined_at", "quarantine_note", "seen_at"]


@admin.register(Slot)
class SlotAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["name", "host", "disabled", "present", "model", "problem", "quarantined_at", "seen_at"]
    list_filter = ["host", "disabled", "present", ("quarantined_at", admin.EmptyFieldListFilter)]
    list_select_related = ["host"]
    search_fields = ["name", "host__name", "model", "problem"]
    fields = [*SHOWN, *KEPT]

    def get_readonly_fields(self, request: HttpRequest, obj: Slot | None = None) -> list[str]:  # noqa: ARG002  # Django's
        """All that the host says of it."""
        return [name for name in self.fields or [] if isinstance(name, str) and name != "disabled"]

    def has_add_permission(self, request: HttpRequest, *_args: Any) -> bool:  # noqa: ARG002  # Django's
        """The host names its slots."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Slot | None = None) -> bool:  # noqa: ARG002  # Django's
        """Cards keep on which slot they were written."""
        return False
