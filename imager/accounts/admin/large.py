"""Lists of tables that grow with every order: nothing in them counts, sorts or groups all of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from imager.paging import Bounded

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Any]
else:
    _Admin = object


NONE: Final = "none"


class Large(_Admin):
    """Mixin: counting ends where nobody reads on, and columns sort by nothing that has no index."""

    paginator = Bounded
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count each choice of each filter
    sortable_by: ClassVar[Any] = ()

    def find(self, rows: QuerySet[Any], sought: str) -> QuerySet[Any]:
        """Those that are sought, each by an index; `sought` is not empty."""
        raise NotImplementedError

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """All of them if nothing is sought."""
        sought = search_term.strip()
        return (self.find(queryset, sought) if sought else queryset), False


def known(
    field: str,
    title: Any,
    values: Iterable[tuple[str, Any]],
    *,
    none: Any = "",
    unset: Mapping[str, Any] | None = None,
) -> type[admin.SimpleListFilter]:
    """A filter by values that are known. Django's own asks the whole table which there are.

    `none`: how rows are called that have no value yet, if they can be asked for; `unset`: how, where that
    has an index and the empty value has none.
    """
    choices = [*values, *([(NONE, none)] if none else [])]

    class Known(admin.SimpleListFilter):
        parameter_name = field

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # Django's
            return choices

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            asked = self.value()
            if asked == NONE:
                return queryset.filter(**(unset or {field: ""}))
            return queryset.filter(**{field: asked}) if asked else queryset

    Known.title = title
    return Known
