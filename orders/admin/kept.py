"""What is kept of configurations, to look at: every save, and the files that were uploaded for them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imager.accounts.admin.closed import Closed
from imager.accounts.admin.filters import FewFilter
from imager.accounts.admin.readonly import ReadOnly
from imager.paging import Bounded
from imager.sizes import words as size_in_words
from orders.models import ConfigurationVersion, Upload


@admin.register(ConfigurationVersion)
class ConfigurationVersionAdmin(Closed, ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Who saved what when. What was changed stands on the version's own page, without the passwords."""

    secret = frozenset({"values"})
    list_display = ["configuration", "number", "saved_at", "saved_by", "note", "page"]
    list_filter = [("configuration__organization", FewFilter), "saved_at"]
    search_fields = ["configuration__name", "saved_by__email", "note"]
    list_select_related = ["configuration", "saved_by"]
    ordering = ["-pk"]
    sortable_by = ()
    paginator = Bounded
    show_full_result_count = False
    fields = ["configuration", "number", "saved_at", "saved_by", "note", "page"]
    readonly_fields = ["saved_at", "page"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ConfigurationVersion]:
        """Without what was saved: it is long, and holds passwords."""
        return super().get_queryset(request).defer("values")

    @admin.display(description=gettext_lazy("page"))
    def page(self, version: ConfigurationVersion) -> str:
        """What that save has changed. Of what was deleted there are no pages."""
        if version.configuration.deleted_at:
            return "–"
        address = reverse("configuration_version", args=[version.configuration_id, version.number])
        return format_html('<a href="{}">{}</a>', address, _("open"))


@admin.register(Upload)
class UploadAdmin(Closed, ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Logos and archives. What nothing names any more goes by itself; addresses of files are secret."""

    secret = frozenset({"key"})
    list_display = ["name", "kind", "organization", "room", "created_by", "created_at"]
    list_filter = ["kind", ("organization", FewFilter), "created_at"]
    search_fields = ["name", "organization__name", "created_by__email", "=sha256"]
    list_select_related = ["organization", "created_by"]
    show_full_result_count = False
    fields = ["name", "kind", "organization", "room", "unpacked_room", "sha256", "created_by", "created_at"]
    readonly_fields = ["room", "unpacked_room", "created_at"]

    @admin.display(description=gettext_lazy("size"), ordering="size")
    def room(self, upload: Upload) -> str:
        return size_in_words(upload.size)

    @admin.display(description=gettext_lazy("unpacked"))
    def unpacked_room(self, upload: Upload) -> str:
        return size_in_words(upload.unpacked)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Without the keys."""
        return super().get_queryset(request).defer("key")
