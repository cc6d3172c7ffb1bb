"""Columns that no page of the admin shows, and that nobody finds out letter by letter, either."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Any]
else:
    _Admin = object


class Closed(_Admin):
    """Mixin: an address such as `?recipe__contains=…` is refused. Django allows all columns of a list."""

    secret: ClassVar[frozenset[str]]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Not by a secret column, whichever part of the lookup it is."""
        return self.secret.isdisjoint(lookup.split(LOOKUP_SEP)) and super().lookup_allowed(
            lookup, value, request
        )
