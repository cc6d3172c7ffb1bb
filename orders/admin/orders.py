"""Orders in the admin: looked at, searched, canceled and retried; no status is edited by hand."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from imager.lifecycle import IllegalMove, LostRace
from orders import services
from orders.admin.common import ReadOnly, person
from orders.models import Order, OrderMove
from tasks_app.models import Card, Task


class MoveInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    model = OrderMove
    verbose_name_plural = gettext_lazy("history")
    fields = ["at", "came_from", "went_to", "by", "note"]
    readonly_fields = ["at"]


class TaskInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    model = Task
    show_change_link = True
    fields = ["kind", "unit", "status", "step", "host", "slot", "attempt", "trouble_sentence"]
    readonly_fields = ["trouble_sentence"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        return super().get_queryset(request).select_related("host", "slot__host")

    @admin.display(description=gettext_lazy("trouble"))
    def trouble_sentence(self, task: Task) -> str:
        return str((task.trouble or {}).get("message", ""))


class CardInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    model = Card
    show_change_link = True
    fields = ["serial", "unit", "verdict", "host", "slot", "permitted_at", "ended_at"]
    readonly_fields = ["permitted_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Card]:
        return super().get_queryset(request).select_related("host", "slot__host")


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = [
        "number",
        "name",
        "organization",
        "kind",
        "media",
        "quantity",
        "status",
        "created_at",
        "page",
    ]
    list_display_links = ["number", "name"]
    list_filter = ["status", "kind", "organization", "media", "created_at"]
    list_select_related = ["organization", "media"]
    search_fields = [
        "=number",
        "name",
        "image_name",
        "organization__name",
        "recipient_name",
        "recipient_email",
        "created_by__email",
    ]
    date_hierarchy = "created_at"
    ordering = ["-number"]
    inlines = [MoveInline, TaskInline, CardInline]
    actions = ["cancel_orders", "retry_orders"]
    fieldsets = [
        (None, {"fields": ["number", "status", "failed_stage", "failure", "page"]}),
        (
            gettext_lazy("What"),
            {
                "fields": [
                    "kind",
                    "media",
                    "quantity",
                    "name",
                    "configuration",
                    "ordered_contents",
                    "image_name",
                    "image_bytes",
                ]
            },
        ),
        (gettext_lazy("Who"), {"fields": ["organization", "created_by", "created_at"]}),
        (
            gettext_lazy("Recipient"),
            {"fields": [f"recipient_{field}" for field in services.Recipient.__dataclass_fields__]},
        ),
        (gettext_lazy("Delivery"), {"fields": ["tracking", "shipped_at", "expires_at"]}),
    ]
    readonly_fields = [
        "number",
        "status",
        "failed_stage",
        "failure",
        "page",
        "kind",
        "media",
        "quantity",
        "name",
        "configuration",
        "ordered_contents",
        "image_name",
        "image_bytes",
        "organization",
        "created_by",
        "created_at",
        "tracking",
        "shipped_at",
        "expires_at",
        *(f"recipient_{field}" for field in services.Recipient.__dataclass_fields__),
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Orders are placed by the form or the API, which check them."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Orders are history."""
        return False

    @admin.display(description=gettext_lazy("contents"))
    def ordered_contents(self, order: Order) -> str:
        return ", ".join(content["title"] for content in order.contents) or "–"

    @admin.display(description=gettext_lazy("page"))
    def page(self, order: Order) -> str:
        return format_html('<a href="{}">{}</a>', order.get_absolute_url(), _("open"))

    @admin.action(description=gettext_lazy("Cancel the selected orders"), permissions=["change"])
    def cancel_orders(self, request: HttpRequest, orders: QuerySet[Order]) -> HttpResponse | None:
        warning = _("Running work is stopped and the images are removed. This cannot be undone.")
        return self._after_asking(
            request, orders, "cancel_orders", _("Cancel orders"), warning, services.cancel
        )

    @admin.action(description=gettext_lazy("Retry the selected orders"), permissions=["change"])
    def retry_orders(self, request: HttpRequest, orders: QuerySet[Order]) -> HttpResponse | None:
        warning = _("Failed work is started again; finished work is kept.")
        return self._after_asking(request, orders, "retry_orders", _("Retry orders"), warning, services.retry)

    def _after_asking(
        self,
        request: HttpRequest,
        orders: QuerySet[Order],
        name: str,
        title: str,
        warning: str,
        verb: Callable[..., Order],
    ) -> HttpResponse | None:
        """Show what would be done; do it when that page is confirmed, each order by itself."""
        if "confirmed" in request.POST:
            self._apply(request, orders, verb)
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "warning": warning,
            "orders": orders,
            "action": name,
            "checkbox": ACTION_CHECKBOX_NAME,
            "opts": self.opts,
            "back": reverse("admin:orders_order_changelist"),
        }
        return TemplateResponse(request, "admin/orders/order/confirm.html", context)

    def _apply(self, request: HttpRequest, orders: QuerySet[Order], verb: Callable[..., Order]) -> None:
        done = 0
        for order in orders:
            try:
                verb(order, by=person(request))
                done += 1
            except (IllegalMove, LostRace) as error:
                self.message_user(request, str(error), messages.ERROR)
        if done:
            self.message_user(
                request,
                ngettext("%(done)s order.", "%(done)s orders.", done) % {"done": done},
                messages.SUCCESS,
            )
