"""The form that ships an order."""

from __future__ import annotations

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from imager.accounts.models import User
from orders import services
from orders.models import Order


class ShipForm(forms.Form):
    """How the parcel can be traced."""

    tracking = forms.CharField(label=_("tracking"), max_length=services.MAX_TRACKING)

    def ship(self, order: Order, *, by: User) -> Order | None:
        """The shipped order; None with the refusal beside the field. Raises IllegalMove."""
        try:
            return services.ship(order, by=by, tracking=self.cleaned_data["tracking"])
        except ValidationError as error:
            self.add_error(None, error)
        return None
