"""Filters of the admin's lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin


class ValuesFilter(admin.AllValuesFieldListFilter):
    """The values that there are; having none is something to click on, too."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        """As Django makes them, with a sign for the empty one."""
        for choice in super().choices(changelist):
            yield {**choice, "display": choice["display"] or "–"}
