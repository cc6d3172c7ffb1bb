"""Lists come in pages with a bound, and what a list cannot do is refused by name instead of ignored."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from django_filters.rest_framework import DjangoFilterBackend, FilterSet
from rest_framework.exceptions import ValidationError
from rest_framework.filters import OrderingFilter, SearchFilter
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from imager.api.sentences import one_of
from imager.sentences import in_words

MOST = 100


class Pages(PageNumberPagination):
    """Numbered pages of 20, at most 100."""

    page_size = 20
    page_size_query_param = "page_size"
    max_page_size = MOST

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> Any:
        """The page that was asked for; 400 if the list does not know all that was asked."""
        if view is not None:
            _refuse_unknown(request, view)
        if request.query_params.get("page") == "":
            raise ValidationError({"page": [_("Send a value, or leave this filter out.")]})
        return super().paginate_queryset(queryset, request, view)

    def get_page_size(self, request: Request) -> int | None:
        """What was asked for, if it is a whole number from 1; more than there may be is cut."""
        asked = request.query_params.get("page_size")
        if asked is None:
            return self.page_size
        if not (asked.isascii() and asked.isdecimal() and int(asked[:10])):
            text = _("“page_size” must be a whole number from 1; above %(limit)d it counts as %(limit)d.")
            raise ValidationError({"page_size": [text % {"limit": MOST}]})
        return min(int(asked[:10]), MOST)

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """With the least of both numbers."""
        parameters: list[dict[str, Any]] = super().get_schema_operation_parameters(view)
        for parameter in parameters:
            parameter["schema"]["minimum"] = 1
        return parameters


class Filters(DjangoFilterBackend):  # type: ignore[misc]  # the library has no types
    """Filters by fields; one that is sent without a value is refused, but for words: those may be empty."""

    def filter_queryset(self, request: Request, queryset: Any, view: APIView) -> Any:
        """As the library does it, or 400."""
        filterset = self.get_filterset(request, queryset, view)
        if filterset is None:
            return queryset
        empty = [
            name
            for name, field in filterset.form.fields.items()
            if not _words(field) and request.query_params.get(name) == ""
        ]
        if empty:
            text = _("Send a value, or leave this filter out.")
            raise ValidationError({name: [text] for name in empty})
        if not filterset.is_valid():
            raise ValidationError(_refused(filterset.form))
        return filterset.qs


def _refuse_unknown(request: Request, view: Any) -> None:
    """A filter that is misspelt would give everybody's rows to whoever wants those of one."""
    known = {"page", "page_size", api_settings.URL_FORMAT_OVERRIDE}
    for backend in (each() for each in view.filter_backends):
        if isinstance(backend, Filters):
            known |= _filters(view)
        elif isinstance(backend, OrderingFilter):
            known.add(backend.ordering_param)
        elif isinstance(backend, SearchFilter):
            known.add(backend.search_param)
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        text = _("This list has no “%(name)s”: leave it out, or choose from %(known)s.")
        words = ", ".join(sorted(known))
        raise ValidationError(
            {name[:100]: [text % {"name": name[:100], "known": words}] for name in unknown[:20]}
        )


def _filters(view: Any) -> set[str]:
    """Their names, without making them again."""
    if made := getattr(view, "filterset_class", None):
        return set(made.base_filters)
    fields = getattr(view, "filterset_fields", ())
    lookups = fields if isinstance(fields, dict) else dict.fromkeys(fields, ("exact",))
    return {FilterSet.get_filter_name(name, each) for name, all_of in lookups.items() for each in all_of}


def _refused(form: forms.Form) -> dict[str, list[str]]:
    """As pages say it, but by the names and values that a program knows."""
    told: dict[str, list[str]] = {}
    for name, reasons in form.errors.as_data().items():
        field = form.fields.get(name)
        if isinstance(field, forms.ChoiceField) and not isinstance(field, forms.ModelChoiceField):
            told[name] = [one_of(name, [value for value, _label in cast("Any", field.choices)])]
        else:
            told[name] = [str(said) for each in reasons for said in in_words(name, field, each).messages]
    return told


def _words(field: forms.Field) -> bool:
    return type(field) is forms.CharField


class Ordering(OrderingFilter):
    """`?ordering=-number`: only by what the list offers; anything else is refused."""

    def remove_invalid_fields(
        self, queryset: QuerySet[Model], fields: Any, view: APIView, request: Request
    ) -> list[str]:
        """All of them are valid."""
        valid = {name for name, _label in self.get_valid_fields(queryset, view, {"request": request})}
        unknown = [field for field in fields if field.removeprefix("-") not in valid]
        if unknown:
            text = _("This list cannot be ordered by “%(field)s”: choose from %(valid)s.")
            words = {"field": unknown[0][:100], "valid": ", ".join(sorted(valid))}
            raise ValidationError({"ordering": [text % words]})
        return list(fields)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """With the fields that may be named."""
        parameters: list[dict[str, Any]] = super().get_schema_operation_parameters(view)
        fields = [sign + name for name in view.ordering_fields for sign in ("", "-")]
        for parameter in parameters:
            parameter["schema"] = {"type": "array", "items": {"type": "string", "enum": fields}}
            parameter |= {"explode": False, "style": "form"}
        return parameters
