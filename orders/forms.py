"""Forms of the pages. Services decide what can be ordered; forms put their words beside the fields."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import fields
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from imager.accounts.models import User
from orders import countries, services
from orders.models import MAX_QUANTITY, Configuration, Media, Order
from orders.queries import visible_configurations


def _countries() -> list[tuple[str, str]]:
    return [("", "—"), *countries.names().items()]


class OrderForm(forms.Form):
    """What to order. The hidden key makes a form that is sent twice one order."""

    configuration = forms.ModelChoiceField(Configuration.objects.none(), label=_("configuration"))
    kind = forms.ChoiceField(
        label=_("kind"), choices=Order.Kind.choices, widget=forms.RadioSelect, initial=Order.Kind.PHYSICAL
    )
    media = forms.ModelChoiceField(Media.objects.none(), label=_("size"))  # type: ignore[assignment]  # not Form.media
    quantity = forms.IntegerField(
        label=_("quantity"),
        initial=1,
        required=False,
        widget=forms.NumberInput(attrs={"min": 1, "max": MAX_QUANTITY}),
        help_text=_("A download is ordered once."),
    )
    recipient_name = forms.CharField(label=_("recipient"), max_length=100, required=False)
    recipient_email = forms.EmailField(label=_("recipient's e-mail"), required=False)
    recipient_phone = forms.CharField(label=_("phone"), max_length=30, required=False)
    recipient_address = forms.CharField(
        label=_("address"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_("Complete, without name and country."),
    )
    recipient_country = forms.ChoiceField(label=_("country"), choices=_countries, required=False)
    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.by = by
        choices = {
            "configuration": visible_configurations(by).prefetch_related(None),
            "media": Media.objects.filter(active=True),
        }
        for name, queryset in choices.items():
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)  # noqa: S101  # declared above
            field.queryset = queryset

    def place(self) -> Order | None:
        """The order; None with the service's refusals beside the fields. Call it on a valid form."""
        data = dict(self.cleaned_data)
        key = f"form:{data.pop('key')}"
        recipient = services.Recipient(
            **{f.name: data.pop(f"recipient_{f.name}") for f in fields(services.Recipient)}
        )
        quantity = data.pop("quantity")
        try:
            order, _created = services.place(
                **data,
                quantity=1 if quantity is None else quantity,
                by=self.by,
                recipient=recipient,
                idempotency_key=key,
                request_digest=self._digest(),
            )
        except ValidationError as error:
            self.add_error(None, error)
        except services.IdempotencyConflict:
            self.add_error(None, _("This form was already sent, with other values. Open a new order form."))
        else:
            return order
        return None

    def _digest(self) -> str:
        sent = {name: self.data.get(self.add_prefix(name), "") for name in self.fields}
        return hashlib.sha256(json.dumps(sent, sort_keys=True).encode()).hexdigest()


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
