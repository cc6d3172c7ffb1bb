"""The list of all orders. No status is edited by hand; the desk is on each order's own page."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imager import clock
from imager.accounts.admin.closed import Closed
from imager.accounts.admin.filters import FewFilter
from imager.accounts.admin.history import History
from imager.accounts.admin.large import Large, known
from imager.accounts.admin.links import links
from imager.accounts.admin.readonly import ReadOnly
from imager.accounts.visitor import visitor
from imager.sizes import words as size_in_words
from orders import export, services
from orders.admin.actions import OrderActions
from orders.admin.contacts import Contacts
from orders.lifecycle import STAGES, OrderStatus
from orders.models import Order, OrderMove, OrderNote
from orders.models.searching import SEARCHED, OrderQuerySet
from tasks_app.admin.wording import StepInWords, TroubleInWords
from tasks_app.models import Card, Task
from warehouse.models import Warehouse

LINKED = {"email": "mail", "phone": "call"}  # what can be clicked on has a column of its own
RECIPIENT = tuple(
    LINKED.get(field, f"recipient_{field}") for field in services.Recipient.__dataclass_fields__
)
WHAT = (
    "kind",
    "media",
    "quantity",
    "units",
    "name",
    "configuration",
    "ordered_contents",
    "recipe_link",
    "image_name",
    "room",
)
WHO = ("organization", "channel", "created_by", "orderer_mail", "created_at")
DELIVERY = ("kept_in", "tracking", "shipped_at", "expires_at")
STATE = ("number", "status", "priority", "failed_while", "failure", "page", "elsewhere")


class MoveInline(History, admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    model = OrderMove
    verbose_name_plural = gettext_lazy("history")
    fields = ["at", "before", "after", "by", "note"]
    readonly_fields = ["at", "before", "after"]


class NoteInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    """Written on the order's page."""

    model = OrderNote
    fields = ["at", "by", "text"]
    readonly_fields = ["at"]


class TaskInline(StepInWords, TroubleInWords, ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    model = Task
    show_change_link = True
    fields = [
        "kind",
        "unit",
        "status",
        "priority",
        "step_words",
        "host",
        "slot",
        "attempt",
        "trouble_sentence",
    ]
    readonly_fields = ["step_words", "trouble_sentence"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        return super().get_queryset(request).select_related("host", "slot__host")


class CardInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    model = Card
    show_change_link = True
    fields = ["serial", "unit", "verdict", "host", "slot", "permitted_at", "ended_at"]
    readonly_fields = ["permitted_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Card]:
        return super().get_queryset(request).select_related("host", "slot__host")


class Orders(ChangeList):
    """A page of orders, without what lists do not show."""

    def get_queryset(self, *args: Any, **kwargs: Any) -> QuerySet[Order]:
        """Recipes and contents are long."""
        found: QuerySet[Order] = super().get_queryset(*args, **kwargs)
        return found.defer("recipe", "contents")


@admin.register(Order)
class OrderAdmin(Closed, Large, OrderActions, Contacts, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    secret = frozenset({"recipe", "download_token"})
    list_display = [
        "number",
        "name",
        "organization_link",
        "kind",
        "media",
        "quantity",
        "units",
        "status",
        "priority",
        "created_by",
        "land",
        "created_at",
        "page",
    ]
    list_display_links = ["number", "name"]
    list_filter = [
        "status",
        known("failed_stage", gettext_lazy("failed while"), [(stage.value, stage.label) for stage in STAGES]),
        "kind",
        "priority",
        "organization__channel",
        ("organization", FewFilter),
        "media",
        "created_at",
    ]
    list_select_related = ["organization", "media", "created_by"]
    sortable_by = ["number", "created_at"]
    search_fields = ["=number", *SEARCHED, "organization__name", "created_by__email"]
    search_help_text = gettext_lazy("Number, name, file, organization, recipient, who ordered, or tracking.")
    date_hierarchy = "created_at"
    ordering = ["-created_at"]
    actions = ["retry_orders", "ship_orders", "prioritize_orders", "recreate_orders", "cancel_orders"]
    inlines = [NoteInline, MoveInline, TaskInline, CardInline]
    fieldsets = [
        (None, {"fields": STATE}),
        (gettext_lazy("What"), {"fields": WHAT}),
        (gettext_lazy("Who"), {"fields": WHO}),
        (gettext_lazy("Recipient"), {"fields": RECIPIENT}),
        (gettext_lazy("Delivery"), {"fields": DELIVERY}),
    ]
    readonly_fields = [*STATE, *WHAT, *WHO, *DELIVERY, *RECIPIENT]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Orders are placed by the form or the API, which check them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Everything that may change has a verb: the actions, and the desk on the order's page."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Orders are history."""
        return False

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:  # Django's
        """The recipe tells what configurations hold."""
        left_out = set() if visitor(request).has_perm("orders.view_configuration") else {"recipe_link"}
        return [
            (title, {**options, "fields": [field for field in options["fields"] if field not in left_out]})
            for title, options in super().get_fieldsets(request, obj)
        ]

    def find(self, rows: QuerySet[Order], sought: str) -> QuerySet[Order]:
        """As on the page of orders, and by whoever ordered."""
        orders = cast("OrderQuerySet", rows)
        return orders.search(sought, people=True).settled(orders)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # Django's
        """Without recipes."""
        return Orders

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """With the way out for whoever may export."""
        may = visitor(request).has_perm("orders.export_order")
        return super().changelist_view(request, {**(extra_context or {}), "may_export": may})

    def get_urls(self) -> list[Any]:
        """With the export."""
        view = self.admin_site.admin_view(self.export)
        mine: list[URLPattern] = [path("export/", view, name="orders_order_export")]
        return [*mine, *super().get_urls()]

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """The orders that the list shows, on all its pages, as CSV."""
        if not visitor(request).has_perm("orders.export_order") or not self.has_view_permission(request):
            raise PermissionDenied
        try:
            orders = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            return redirect("admin:orders_order_changelist")
        answer = StreamingHttpResponse(export.lines(orders), content_type="text/csv; charset=utf-8")
        name = f"orders-{clock.now():%Y-%m-%d}.csv"
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        answer["X-Content-Type-Options"] = "nosniff"
        return answer

    @admin.display(description=gettext_lazy("failed while"))
    def failed_while(self, order: Order) -> str:
        """The stage, in words."""
        return str(dict(OrderStatus.choices).get(order.failed_stage, "–"))

    @admin.display(description=gettext_lazy("contents"))
    def ordered_contents(self, order: Order) -> str:
        return ", ".join(content["title"] for content in order.contents) or "–"

    @admin.display(description=gettext_lazy("recipe"))
    def recipe_link(self, order: Order) -> str:
        """What the builder was told, but for the passwords."""
        return format_html('<a href="{}">{}</a>', reverse("order_recipe", args=[order.pk]), _("YAML"))

    @admin.display(description=gettext_lazy("size of the image"))
    def room(self, order: Order) -> str:
        return size_in_words(order.image_bytes) if order.image_bytes else "–"

    @admin.display(description=gettext_lazy("channel"))
    def channel(self, order: Order) -> str:
        return str(order.organization.channel)

    @admin.display(description=gettext_lazy("warehouse"))
    def kept_in(self, order: Order) -> str:
        """Where its image is, or was."""
        kept = Warehouse.objects.filter(files__owner=order.pk).distinct()
        return ", ".join(warehouse.slug for warehouse in kept) or "–"

    @admin.display(description=gettext_lazy("organization"), ordering="organization__name")
    def organization_link(self, order: Order) -> str:
        """The organization, as a link."""
        address = reverse("admin:accounts_organization_change", args=[order.organization_id])
        return format_html('<a href="{}">{}</a>', address, order.organization)

    @admin.display(description=gettext_lazy("page"))
    def page(self, order: Order) -> str:
        return format_html('<a href="{}">{}</a>', order.get_absolute_url(), _("open"))

    @admin.display(description=gettext_lazy("elsewhere"))
    def elsewhere(self, order: Order) -> str:
        """What else there is of it."""
        return links(
            (_("stored files"), "warehouse_storedfile", {"q": order.pk}),
            (_("units"), "accounts_unitentry", {"q": f"#{order.number}"}),
            (_("log of the tasks"), "tasks_app_attempt", {"q": f"#{order.number}"}),
        )
