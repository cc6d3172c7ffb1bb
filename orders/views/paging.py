"""Pages of long lists: counting ends where nobody reads on."""

from __future__ import annotations

from typing import Any, Final

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property

MOST: Final = 10_000  # rows that can be paged through; whoever seeks further back searches


class Bounded(Paginator):  # type: ignore[type-arg]  # not generic at run time
    """The first rows of a query, in pages. The database counts no more than these."""

    @cached_property
    def found(self) -> int:
        """How many rows there are, up to one more than are shown."""
        return int(self.object_list[: MOST + 1].count())  # type: ignore[attr-defined]  # a queryset

    @cached_property
    def count(self) -> int:
        """How many rows can be paged through."""
        return min(self.found, MOST)

    @property
    def more(self) -> bool:
        """Whether there are rows beyond."""
        return self.found > MOST


def page_of(rows: QuerySet[Any], number: str | None, *, per_page: int) -> Page[Any]:
    """That page, or the one that is nearest."""
    return Bounded(rows, per_page).get_page(number)
