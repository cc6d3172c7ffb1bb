"""Which orders a list shows, and in which order. What nobody understands is left out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from typing import Any, Final, cast

from django import forms
from django.db.models import Case, F, QuerySet, Value, When
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from imager import paging
from imager.accounts.models import Role, User
from orders.lifecycle import OPEN, OrderStatus
from orders.models import Configuration, Order
from orders.models.searching import FEW, OrderQuerySet
from orders.queries import visible_configurations

UNDER_WAY: Final = "open"
ANY: Final = [("", _("any"))]
SORTS: Final = {
    "": _("newest first"),
    "oldest": _("oldest first"),
    "name": _("by configuration"),
    "status": _("by status"),
    "person": _("by person"),
}
_STAGES: Final = Case(
    *[When(status=status, then=Value(place)) for place, status in enumerate(OrderStatus)], default=Value(99)
)
_BY: Final[dict[str, list[Any]]] = {
    "name": ["name", "-number"],
    "status": [_STAGES, "-number"],
    "person": [F("created_by__name").asc(nulls_last=True), "created_by", "-number"],
}


def _date() -> forms.DateInput:
    return forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class OrderFilter(forms.Form):
    """The fields of the search, each of them optional; the address of the page holds them all."""

    q = forms.CharField(
        label=_("Search"),
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": _("Number, name, recipient")}),
    )
    status = forms.ChoiceField(
        label=_("Status"),
        required=False,
        choices=[*ANY, (UNDER_WAY, _("all under way")), *OrderStatus.choices],
    )
    kind = forms.ChoiceField(label=_("Kind"), required=False, choices=[*ANY, *Order.Kind.choices])
    configuration = forms.ModelChoiceField(
        Configuration.objects.none(), label=_("Configuration"), required=False, empty_label=_("any")
    )
    person = forms.ModelChoiceField(
        User.objects.none(), label=_("Ordered by"), required=False, empty_label=_("anybody")
    )
    since = forms.DateField(label=_("From"), required=False, widget=_date())
    until = forms.DateField(label=_("Until"), required=False, widget=_date())
    sort = forms.ChoiceField(label=_("Sort"), required=False, choices=list(SORTS.items()))

    def __init__(self, data: Any, *, by: User) -> None:
        super().__init__(
            {name: data.get(name, "").replace("\x00", "") for name in self.base_fields}, auto_id="%s"
        )
        if by.role == Role.STAFF:  # too many to choose from: staff search by words
            del self.fields["configuration"], self.fields["person"]
            return
        self._offer("configuration", visible_configurations(by).prefetch_related(None).order_by("name"))
        self._offer("person", User.objects.filter(organization=by.organization_id or 0).order_by("name"))

    def _offer(self, name: str, queryset: QuerySet[Any]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101  # declared above
        field.queryset = queryset

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out."""
        return any(value for name, value in self.cleaned_data.items() if name != "sort")

    @property
    def searches(self) -> bool:
        """Whether it looks for words."""
        return bool(self.cleaned_data.get("q"))

    @property
    def most(self) -> int | None:
        """How many orders can be paged through, if it is less than usual."""
        return FEW if self.searches else None

    @property
    def filtered(self) -> bool:
        """Whether any of the further fields is used."""
        return any(value for name, value in self.cleaned_data.items() if name not in {"q", "status"})

    def apply(self, orders: QuerySet[Order]) -> QuerySet[Order]:
        """Those orders of them, sorted."""
        self.is_valid()  # what is not valid is not in `cleaned_data`
        found = orders
        for name, narrow in _NARROW.items():
            value = self.cleaned_data.get(name)
            if value:
                found = narrow(found, value)
        if self.searches:
            found = _by_keys(found, orders)
        sort = self.cleaned_data.get("sort") or ""
        if sort in _BY:
            return self._newest(found).order_by(*_BY[sort])
        return found.order_by(*self._by_time(oldest=sort == "oldest"))

    def _newest(self, found: QuerySet[Order]) -> QuerySet[Order]:
        """As many as can be paged through, and one: more are not sorted."""
        newest = self._by_time()
        field, last = newest[0].removeprefix("-"), self.most or paging.MOST
        bound = list(found.order_by(*newest).values_list(field, flat=True)[last : last + 1])
        return found.filter(**{f"{field}__gte": bound[0]}) if bound else found

    def _by_time(self, *, oldest: bool = False) -> list[str]:
        """By number; but of some days by time, so that an index leads to them."""
        days = self.cleaned_data.get("since") or self.cleaned_data.get("until")
        names = ["created_at", "number"] if days else ["number"]
        return names if oldest else [f"-{name}" for name in names]


def _search(orders: QuerySet[Order], sought: str) -> QuerySet[Order]:
    return cast("OrderQuerySet", orders).search(sought)


def _by_keys(found: QuerySet[Order], orders: QuerySet[Order]) -> QuerySet[Order]:
    return cast("OrderQuerySet", found).settled(cast("OrderQuerySet", orders))


def _with_status(orders: QuerySet[Order], status: str) -> QuerySet[Order]:
    return orders.filter(status__in=OPEN if status == UNDER_WAY else [status])


def _on(day: date, at: time) -> datetime:
    return datetime.combine(day, at, timezone.get_current_timezone())


_NARROW: Final[dict[str, Callable[[QuerySet[Order], Any], QuerySet[Order]]]] = {
    "q": _search,
    "status": _with_status,
    "kind": lambda orders, kind: orders.filter(kind=kind),
    "configuration": lambda orders, configuration: orders.filter(configuration=configuration),
    "person": lambda orders, person: orders.filter(created_by=person),
    "since": lambda orders, day: orders.filter(created_at__gte=_on(day, time.min)),
    "until": lambda orders, day: orders.filter(created_at__lte=_on(day, time.max)),
}
