"""What staff do with many orders at once, each after asking, and each order by itself."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imager.accounts.admin.asking import Question, after_asking
from imager.accounts.visitor import visitor
from orders import desk, services
from orders.models import Order, Priority


class TrackingForm(forms.Form):
    """How each parcel can be traced. Orders that cannot be shipped now are told so when it is tried."""

    def __init__(self, data: Any, orders: QuerySet[Order]) -> None:
        super().__init__(data)
        for order in orders:
            self.fields[self._name(order)] = forms.CharField(
                label=_("Tracking of %(order)s") % {"order": order}, max_length=services.MAX_TRACKING
            )

    @staticmethod
    def _name(order: Order) -> str:
        return f"tracking_{order.pk}"

    def arguments(self, order: Order) -> dict[str, Any]:
        """For `services.ship`."""
        return {"tracking": self.cleaned_data[self._name(order)]}


class PriorityForm(forms.Form):
    """Whose work is done first."""

    priority = forms.TypedChoiceField(
        label=gettext_lazy("priority"), choices=Priority.choices, coerce=int, initial=Priority.URGENT
    )

    def __init__(self, data: Any, orders: QuerySet[Order]) -> None:  # the same for all
        super().__init__(data)

    def arguments(self, order: Order) -> dict[str, Any]:  # the same for all
        """For `desk.prioritize`."""
        return {"priority": self.cleaned_data["priority"]}


class OrderActions:
    """Mixin: the actions of the list of orders."""

    def _may(self, request: HttpRequest, permission: str) -> bool:
        return visitor(request).has_perm(permission)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """For the action below."""
        return self._may(request, "orders.cancel_order")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """For the action below."""
        return self._may(request, "orders.retry_order")

    def has_ship_permission(self, request: HttpRequest) -> bool:
        """For the action below."""
        return self._may(request, "orders.ship_order")

    def has_prioritize_permission(self, request: HttpRequest) -> bool:
        """For the action below."""
        return self._may(request, "orders.prioritize_order")

    def has_recreate_permission(self, request: HttpRequest) -> bool:
        """For the action below. The model's own right to add is withheld here: orders are not typed in."""
        return self._may(request, "orders.add_order")

    @admin.action(description=gettext_lazy("Cancel the selected orders"), permissions=["cancel"])
    def cancel_orders(self, request: HttpRequest, orders: QuerySet[Order]) -> HttpResponse | None:
        """Stop them."""
        warning = _("Running work is stopped and the images are removed. This cannot be undone.")
        return self._ask(request, orders, ("cancel_orders", _("Cancel orders"), warning, services.cancel))

    @admin.action(description=gettext_lazy("Retry the selected orders"), permissions=["retry"])
    def retry_orders(self, request: HttpRequest, orders: QuerySet[Order]) -> HttpResponse | None:
        """Take them up where they failed."""
        warning = _("Failed work is started again; finished work is kept.")
        return self._ask(request, orders, ("retry_orders", _("Retry orders"), warning, services.retry))

    @admin.action(description=gettext_lazy("Ship the selected orders"), permissions=["ship"])
    def ship_orders(self, request: HttpRequest, orders: QuerySet[Order]) -> HttpResponse | None:
        """The parcels were sent."""
        warning = _("Compare the serial numbers, pack the cards, and enter how each parcel can be traced.")
        asked = ("ship_orders", _("Ship orders"), warning, services.ship)
        return self._ask(request, orders, asked, TrackingForm)

    @admin.action(description=gettext_lazy("Change the priority"), permissions=["prioritize"])
    def prioritize_orders(self, request: HttpRequest, orders: QuerySet[Order]) -> HttpResponse | None:
        """Have their work done sooner, or later."""
        warning = _("What is under way goes on; what waits is done sooner, or later.")
        asked = ("prioritize_orders", _("Change the priority"), warning, desk.prioritize)
        return self._ask(request, orders, asked, PriorityForm)

    @admin.action(description=gettext_lazy("Make the selected orders again"), permissions=["recreate"])
    def recreate_orders(self, request: HttpRequest, orders: QuerySet[Order]) -> HttpResponse | None:
        """New orders with the contents of today."""
        warning = _(
            "Each is placed again, with the configuration and the contents of today, and costs nothing."
            " The old orders stay as they are."
        )
        return self._ask(request, orders, ("recreate_orders", _("Make again"), warning, desk.recreate))

    def _ask(
        self,
        request: HttpRequest,
        orders: QuerySet[Order],
        asked: tuple[str, str, str, Any],
        form: Any = None,
    ) -> HttpResponse | None:
        action, title, warning, verb = asked
        question = Question(action, title, warning, partial(verb, by=visitor(request)), form=form)
        lean = orders.defer("recipe", "contents")
        return after_asking(self, request, lean, question)  # type: ignore[arg-type]  # mixed into an admin
