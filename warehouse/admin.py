"""Warehouses in the admin, and what is in them. Secrets are made by `manage.py create_warehouse` alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest

from warehouse.models import StoredFile, Warehouse

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    _Warehouses = ModelAdmin[Warehouse]
    _StoredFiles = ModelAdmin[StoredFile]
else:
    _Warehouses = _StoredFiles = admin.ModelAdmin


@admin.register(Warehouse)
class WarehouseAdmin(_Warehouses):
    """Where hosts find a warehouse, and whether it takes new images."""

    list_display = ("slug", "host", "port", "tls", "local_root", "active")
    list_filter = ("active", "tls")
    search_fields = ("slug", "host")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """By command only: it makes the secret, too."""
        return False


@admin.register(StoredFile)
class StoredFileAdmin(_StoredFiles):
    """To look at: files come by publishing and go by orders that end."""

    list_display = ("name", "owner", "size", "status", "warehouse", "published_at", "removed_at")
    list_filter = ("status", "warehouse")
    list_select_related = ("warehouse",)
    search_fields = ("name", "=owner", "=task", "=sha256")
    date_hierarchy = "granted_at"
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: StoredFile | None = None) -> bool:
        """Never by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: StoredFile | None = None) -> bool:
        """Never by hand: a row without its file, or a file without its row, helps nobody."""
        return False
