"""The address book in the admin."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from imager.accounts.admin.filters import FewFilter
from orders.models import Address


@admin.register(Address)
class AddressAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["name", "organization", "recipient", "city", "country", "phone", "updated_at"]
    list_filter = ["country", ("organization", FewFilter)]
    list_select_related = ["organization"]
    search_fields = ["name", "recipient", "email", "phone", "city", "organization__name"]
    autocomplete_fields = ["organization"]
    readonly_fields = ["created_by", "created_at", "updated_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Address | None = None) -> list[str]:
        """An address never becomes another organization's."""
        return [*super().get_readonly_fields(request, obj), *(["organization"] if obj else [])]
