"""Pages of long lists: counting ends where nobody reads on."""

from __future__ import annotations

from typing import Any, Final, cast

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet, Value
from django.utils.functional import cached_property

MOST: Final = 10_000  # rows that can be paged through; whoever seeks further back searches


class Bounded(Paginator):  # type: ignore[type-arg]  # not generic at run time
    """The first rows of a query, in pages. The database counts no more than these."""

    most: int | None = None  # MOST

    @cached_property
    def found(self) -> int:
        """How many rows there are, up to one more than are shown."""
        rows = cast("QuerySet[Any]", self.object_list).order_by()
        return int(
            rows.annotate(one=Value(1)).values("one")[: self.limit + 1].count()
        )  # no column is fetched

    @property
    def limit(self) -> int:
        """How many rows there may be."""
        return self.most or MOST

    @cached_property
    def count(self) -> int:
        """How many rows can be paged through."""
        return min(self.found, self.limit)

    @property
    def more(self) -> bool:
        """Whether there are rows beyond."""
        return self.found > self.limit


def page_of(rows: QuerySet[Any], number: str | None, *, per_page: int, most: int | None = None) -> Page[Any]:
    """That page, or the one that is nearest."""
    pages = Bounded(rows, per_page)
    pages.most = most
    return pages.get_page(number)
