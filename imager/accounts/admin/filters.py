"""Filters of the admin's lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest

MOST: Final = 100  # rows that can be looked through beside a list


class ValuesFilter(admin.AllValuesFieldListFilter):
    """The values that there are; having none is something to click on, too."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        """As Django makes them, with a sign for the empty one."""
        for choice in super().choices(changelist):
            yield {**choice, "display": choice["display"] or "–"}


class FewFilter(admin.RelatedFieldListFilter):
    """Rows to choose from while they can be looked through; of more, the one that somebody came for."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[Any]:
        """None of too many: their own pages lead here, and the search knows their names."""
        rows = field.related_model._default_manager.all()
        shown = list(rows.order_by(*self.field_admin_ordering(field, request, model_admin))[: MOST + 1])
        if len(shown) > MOST:
            asked = self.lookup_val or ()
            keys = [one for one in asked if one.isascii() and one.isdigit() and len(one) < 19]
            shown = list(rows.filter(pk__in=keys))
        return [(row.pk, str(row)) for row in shown]

    def has_output(self) -> bool:
        """A choice between one and all, too; what was asked for is never left out of account."""
        asked = self.lookup_val or self.lookup_val_isnull
        return bool(self.lookup_choices or self.include_empty_choice or asked)
