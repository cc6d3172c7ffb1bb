"""Media and contents in the admin."""

from __future__ import annotations

from django.contrib import admin

from orders.models import Content, Media


@admin.register(Media)
class MediaAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["name", "kind", "gigabytes", "bytes", "units_per_gigabyte", "active"]
    list_filter = ["kind", "active"]
    search_fields = ["name"]


@admin.register(Content)
class ContentAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["title", "ident", "kind", "language", "size", "active"]
    list_filter = ["kind", "language", "active"]
    search_fields = ["title", "ident", "url"]
