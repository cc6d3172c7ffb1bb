"""What shops told of, in the admin: to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.contrib import admin

from imager.accounts.admin.filters import FewFilter
from imager.accounts.admin.readonly import ReadOnly
from imager.accounts.models import ShopEvent

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    _Purchases = ModelAdmin[ShopEvent]
else:
    _Purchases = admin.ModelAdmin


@admin.register(ShopEvent)
class ShopEventAdmin(ReadOnly, _Purchases):
    """Which purchase gave whom an account."""

    list_display = ("at", "event", "organization", "invitation")
    list_filter = (("organization", FewFilter), "at")
    list_select_related: ClassVar[tuple[str, ...]] = ("organization", "invitation")
    search_fields = ("event", "organization__name", "invitation__email")
    ordering = ("-at",)
    show_full_result_count = False
    fields = ("at", "event", "organization", "invitation", "digest")
    readonly_fields = ("at",)
