"""Media in the admin."""

from __future__ import annotations

from django.contrib import admin

from orders.models import Media


@admin.register(Media)
class MediaAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["name", "kind", "gigabytes", "bytes", "units_per_gigabyte", "active"]
    list_filter = ["kind", "active"]
    search_fields = ["name"]
