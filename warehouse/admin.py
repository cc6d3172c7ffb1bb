"""Warehouses in the admin, and what is in them. Secrets are made by `manage.py create_warehouse` alone."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from imager.accounts.admin.closed import Closed
from imager.accounts.admin.large import Large
from imager.accounts.admin.links import links
from warehouse.models import StoredFile, Warehouse

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    _Warehouses = ModelAdmin[Warehouse]
    _StoredFiles = ModelAdmin[StoredFile]
else:
    _Warehouses = _StoredFiles = admin.ModelAdmin


@admin.register(Warehouse)
class WarehouseAdmin(Closed, _Warehouses):
    """Where hosts find a warehouse, and whether it takes new images."""

    secret = frozenset({"secret_hash"})
    list_display = ("slug", "host", "port", "tls", "local_root", "active")
    list_filter = ("active", "tls")
    search_fields = ("slug", "host")
    readonly_fields = ("elsewhere",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """By command only: it makes the secret, too."""
        return False

    @admin.display(description=_("elsewhere"))
    def elsewhere(self, warehouse: Warehouse) -> str:
        """What is in it."""
        return links((_("stored files"), "warehouse_storedfile", {"warehouse__id__exact": warehouse.pk}))


@admin.register(StoredFile)
class StoredFileAdmin(Large, _StoredFiles):
    """To look at: files come by publishing and go by orders that end."""

    list_display = ("name", "owner", "size", "status", "warehouse", "published_at", "removed_at")
    list_filter = ("status", "warehouse")
    list_select_related = ("warehouse",)
    search_fields = ("^name", "=owner", "=task", "=sha256")
    search_help_text = _("The beginning of its name, the identifier of the order or of the task, or SHA-256.")
    date_hierarchy = "granted_at"
    ordering = ("-granted_at",)
    sortable_by = ("granted_at",)
    exclude = ("owner", "task")
    readonly_fields = ("order_link", "task_link")

    @admin.display(description=_("order"))
    def order_link(self, file: StoredFile) -> str:
        """The order, which this room knows by its key alone."""
        address = reverse("admin:orders_order_change", args=[file.owner])
        return format_html('<a href="{}">{}</a>', address, file.owner)

    @admin.display(description=_("task"))
    def task_link(self, file: StoredFile) -> str:
        """The task that made it, likewise."""
        address = reverse("admin:tasks_app_task_change", args=[file.task])
        return format_html('<a href="{}">{}</a>', address, file.task)

    def find(self, rows: QuerySet[StoredFile], sought: str) -> QuerySet[StoredFile]:
        """By the identifier of the order or the task, the beginning of the name, or the digest."""
        with suppress(ValueError):
            key = UUID(sought)
            return rows.filter(Q(owner=key) | Q(task=key))
        return rows.filter(Q(name__startswith=sought) | Q(sha256=sought.lower()))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: StoredFile | None = None) -> bool:
        """Never by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: StoredFile | None = None) -> bool:
        """Never by hand: a row without its file, or a file without its row, helps nobody."""
        return False
