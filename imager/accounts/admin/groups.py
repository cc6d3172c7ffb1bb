"""Groups of staff in the admin. Those that the service keeps are looked at; others are made freely."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth import admin as stock
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from imager.accounts import groups

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    _Groups = ModelAdmin[Group]
else:
    _Groups = stock.GroupAdmin

admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(_Groups):
    """What staff may do."""

    list_display = ("name", "meaning", "people")
    search_fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        """With the number of people."""
        return super().get_queryset(request).annotate(people_count=Count("user"))

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """What the service keeps would be put back by the next `migrate`."""
        return (obj is None or obj.name not in groups.GRANTED) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """As for changes."""
        return (obj is None or obj.name not in groups.GRANTED) and super().has_delete_permission(request, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """One by one."""
        return {}

    @admin.display(description=_("meaning"))
    def meaning(self, group: Group) -> str:
        """What it is for."""
        return str(groups.MEANING.get(group.name, "–"))

    @admin.display(description=_("users"), ordering="people_count")
    def people(self, group: Group) -> int:
        """How many are in it."""
        return int(getattr(group, "people_count", 0))
