"""What was refused, what was sent, what stumbled."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from imager.accounts.admin.readonly import ReadOnly
from tasks_app import outbox
from tasks_app.models import (
    Outbox,
    RefusedReport,
    Stumble,
)


@admin.register(RefusedReport)
class RefusedReportAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["at", "task", "attempt", "host", "reason"]
    list_filter = ["reason", "host"]
    search_fields = ["task__id", "event_id"]
    list_select_related = ["task", "host"]
    show_full_result_count = False


@admin.register(Outbox)
class OutboxAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["dedupe", "kind", "created_at", "sent_at", "given_up_at", "tries", "last_error"]
    list_filter = [
        "kind",
        ("sent_at", admin.EmptyFieldListFilter),
        ("given_up_at", admin.EmptyFieldListFilter),
    ]
    search_fields = ["dedupe"]
    show_full_result_count = False
    actions = ["again"]

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Entries are never edited, but whoever may change them may have them tried again."""
        return request.user.has_perm("tasks_app.change_outbox")

    @admin.action(description=_("Try again what was not sent"), permissions=["act"])
    def again(self, request: HttpRequest, entries: QuerySet[Outbox]) -> None:
        """Start over with a full budget of tries."""
        for entry in entries:
            outbox.again(entry)


@admin.register(Stumble)
class StumbleAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["job", "subject", "error", "count", "first_at", "last_at", "not_before"]
    list_filter = ["job"]
    search_fields = ["subject"]
