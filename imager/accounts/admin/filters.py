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
        if field.related_model._default_manager.all()[: MOST + 1].count() <= MOST:
            return [*super().field_choices(field, request, model_admin)]
        asked = [one for one in self.lookup_val or () if one.isascii() and one.isdigit() and len(one) < 19]
        chosen = field.related_model._default_manager.filter(pk__in=asked)
        return [(row.pk, str(row)) for row in chosen]

    def has_output(self) -> bool:
        """A choice between one and all, too; what was asked for is never left out of account."""
        asked = self.lookup_val or self.lookup_val_isnull
        return bool(self.lookup_choices or self.include_empty_choice or asked)
