"""Media in the admin."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from imager.accounts.admin.links import links
from orders.models import Media


@admin.register(Media)
class MediaAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["name", "kind", "gigabytes", "bytes", "units_per_gigabyte", "active"]
    list_filter = ["kind", "active"]
    search_fields = ["name"]
    readonly_fields = ["elsewhere"]

    @admin.display(description=_("elsewhere"))
    def elsewhere(self, media: Media) -> str:
        """What was ordered on it."""
        return links((_("orders"), "orders_order", {"media__id__exact": media.pk})) if media.pk else "–"
