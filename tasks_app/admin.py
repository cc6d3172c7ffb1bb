"""Staff see everything about tasks and hosts; a task's status moves only through its actions."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from tasks_app.models import Attempt, Card, Host, Outbox, RefusedReport, Slot, Task, TaskMove


class ReadOnly:
    """Looked at, not changed by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class MoveInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    model = TaskMove
    extra = 0
    fields = ["at", "came_from", "went_to", "by", "note"]


class AttemptInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    model = Attempt
    extra = 0
    fields = ["attempt", "host", "started_at", "ended_at", "outcome", "trouble"]
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        return super().get_queryset(request).select_related("task", "host").defer("log")


@admin.register(Task)
class TaskAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = [
        "short_id",
        "order_link",
        "kind",
        "unit",
        "status",
        "step",
        "host",
        "slot",
        "attempt",
        "created_at",
    ]
    list_filter = ["status", "kind", "host", "channel"]
    search_fields = ["id", "order__id", "order__name", "=order__number"]
    list_select_related = ["order", "host", "slot__host"]
    date_hierarchy = "created_at"
    exclude = ["spec"]
    inlines = [AttemptInline, MoveInline]

    @admin.display(description=_("task"))
    def short_id(self, task: Task) -> str:
        """The beginning of the id."""
        return str(task.pk)[:8]

    @admin.display(description=_("order"), ordering="order__number")
    def order_link(self, task: Task) -> str:
        """The order, as a link."""
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:orders_order_change", args=[task.order_id]), task.order
        )


@admin.register(Attempt)
class AttemptAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["task", "attempt", "host", "started_at", "ended_at", "outcome"]
    list_filter = ["outcome", "host"]
    search_fields = ["task__id", "task__order__id"]
    list_select_related = ["task", "host"]


class SlotInline(admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    model = Slot
    extra = 0
    fields = ["name", "disabled", "present", "card_bytes", "model", "contents", "problem", "seen_at"]
    readonly_fields = ["name", "present", "card_bytes", "model", "contents", "problem", "seen_at"]

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Host)
class HostAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["name", "kind", "channel", "draining", "disabled", "automatic", "version", "last_seen_at"]
    list_filter = ["kind", "channel", "disabled", "draining"]
    search_fields = ["name", "account__email", "operator_email"]
    list_select_related = ["channel"]
    readonly_fields = ["kind", "account", "signing_key", "version", "boot_id", "free_bytes", "last_seen_at"]
    inlines = [SlotInline]
    actions = ["drain", "resume"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # `manage.py create_host` makes the account and the keys, too

    @admin.action(description=_("Drain: finish the work, take no more"))
    def drain(self, request: HttpRequest, hosts: QuerySet[Host]) -> None:
        """Stop giving work to these hosts."""
        self._set(request, hosts, draining=True)

    @admin.action(description=_("Resume: take work again"))
    def resume(self, request: HttpRequest, hosts: QuerySet[Host]) -> None:
        """Give work to these hosts again."""
        self._set(request, hosts, draining=False)

    def _set(self, request: HttpRequest, hosts: QuerySet[Host], **fields: Any) -> None:
        for host in hosts:
            self.log_change(request, host, [{"changed": {"fields": list(fields)}}])
        self.message_user(request, _("Changed: %(count)d hosts.") % {"count": hosts.update(**fields)})


@admin.register(Card)
class CardAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["serial", "verdict", "order", "unit", "host", "slot", "card_bytes", "permitted_at"]
    list_filter = ["verdict", "host"]
    search_fields = ["serial", "order__id", "=order__number"]
    list_select_related = ["order", "host", "slot__host"]


@admin.register(RefusedReport)
class RefusedReportAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["at", "task", "attempt", "host", "reason"]
    list_filter = ["reason", "host"]
    search_fields = ["task__id", "event_id"]
    list_select_related = ["task", "host"]


@admin.register(Outbox)
class OutboxAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["dedupe", "kind", "created_at", "sent_at", "tries", "last_error"]
    list_filter = ["kind", ("sent_at", admin.EmptyFieldListFilter)]
    search_fields = ["dedupe"]
