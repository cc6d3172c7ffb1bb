"""The order form: what, how many, and where to; then what the person saw and said yes to."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any, Final, cast

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from imager.accounts.models import Organization, Role, User
from orders import addresses, services
from orders.address_form import country_choices
from orders.models import MAX_QUANTITY, Address, Configuration, Media, Order
from orders.queries import visible_addresses, visible_configurations
from orders.recipients import LIMITS

OFFERED: Final = 200  # configurations, to staff; for any other the form is opened from its page
SEEN: Final = ("seen_units", "seen_hotspot", "seen_recipient", "seen_twin")
RECIPIENT: Final = tuple(f"recipient_{field}" for field in services.Recipient.__dataclass_fields__)
NEEDED: Final = ("recipient_name", "recipient_address", "recipient_city", "recipient_country")


def _hidden() -> forms.CharField:
    return forms.CharField(widget=forms.HiddenInput, required=False, max_length=64)


class OrderForm(forms.Form):
    """What to order. The hidden key makes a form that is sent twice one order."""

    configuration = forms.ModelChoiceField(
        Configuration.objects.none(), label=_("configuration"), empty_label=_("Choose a configuration")
    )
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
    address = forms.ModelChoiceField(
        Address.objects.none(),
        label=_("from the address book"),
        required=False,
        empty_label=_("another address, entered below"),
    )
    recipient_name = forms.CharField(label=_("recipient"), max_length=LIMITS["name"], required=False)
    recipient_address = forms.CharField(
        label=_("street"),
        required=False,
        max_length=LIMITS["address"],
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Street and number or post box; as many lines as needed, without city and country."),
    )
    recipient_postal_code = forms.CharField(
        label=_("postal code"), max_length=LIMITS["postal_code"], required=False
    )
    recipient_city = forms.CharField(label=_("city"), max_length=LIMITS["city"], required=False)
    recipient_country = forms.ChoiceField(label=_("country"), choices=country_choices, required=False)
    recipient_phone = forms.CharField(
        label=_("phone"),
        max_length=LIMITS["phone"],
        required=False,
        help_text=_("Carriers ask for it. With the country's code, for example +223 20 22 52 29."),
    )
    recipient_email = forms.EmailField(
        label=_("recipient's e-mail"), required=False, help_text=_("Told when the cards are on their way.")
    )
    keep = forms.BooleanField(label=_("Keep it in the address book"), required=False)
    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)
    seen_units = forms.IntegerField(widget=forms.HiddenInput, required=False, min_value=0)
    seen_hotspot, seen_recipient = _hidden(), _hidden()
    seen_twin = forms.IntegerField(widget=forms.HiddenInput, required=False, min_value=0)

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.by = by
        self.changes: list[str] = []
        configurations = visible_configurations(by).prefetch_related(None)
        self._offer("configuration", configurations)
        self._offer("media", Media.objects.filter(active=True))
        self._offer("address", self._book())
        if by.role == Role.STAFF:
            self._shorten(configurations)
        if not by.may_order_cards:
            self._offer_downloads_alone()

    def _offer_downloads_alone(self) -> None:
        """Whoever may not order cards is not asked where to send them."""
        field = cast("forms.ChoiceField", self.fields["kind"])
        field.choices = [choice for choice in Order.Kind.choices if choice[0] == Order.Kind.VIRTUAL]
        self.initial["kind"] = Order.Kind.VIRTUAL
        self._offer("media", Media.objects.filter(active=True, kind=Order.Kind.VIRTUAL))

    def _shorten(self, configurations: Any) -> None:
        """Staff see too many to choose from: those changed last are offered, and the one that is chosen."""
        field = cast("forms.ModelChoiceField[Configuration]", self.fields["configuration"])
        latest = list(configurations.order_by("-updated_at", "-pk").values_list("pk", "name")[: OFFERED + 1])
        if len(latest) > OFFERED:
            latest.pop()
            told = _("The %(limit)s changed last. To order another one, start from its own page.")
            self["configuration"].help_text = told % {"limit": OFFERED}
        chosen = self.chosen("configuration")
        if chosen and chosen.pk not in dict(latest):
            latest.append((chosen.pk, chosen.name))
        field.choices = [("", field.empty_label), *sorted(latest, key=lambda one: one[1].casefold())]

    def _offer(self, name: str, queryset: Any) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101  # declared above
        field.queryset = queryset

    def _book(self) -> Any:
        """The addresses of whoever the cards are for; staff choose that with the configuration."""
        book = visible_addresses(self.by).select_related(None)
        if self.by.role != Role.STAFF:
            return book
        configuration = self.chosen("configuration")
        return book.filter(organization=configuration.organization_id) if configuration else book.none()

    def chosen(self, name: str) -> Any:
        """The row that the field's value means, if it is one that may be chosen."""
        value = str(self[name].value() or "")
        if not (value.isascii() and value.isdigit() and len(value) < 19):
            return None
        return self.fields[name].queryset.filter(pk=int(value)).first()  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """What the address book says counts, not what stands in the fields below; a download goes nowhere."""
        data = super().clean() or self.cleaned_data
        if data.get("kind") == Order.Kind.VIRTUAL or data.get("address"):
            for name in RECIPIENT:
                self.errors.pop(name, None)
                data[name] = ""
            data["keep"] = False
        else:
            for name in NEEDED:
                if not data.get(name) and name not in self.errors:
                    self.add_error(name, _("Needed to send the cards: fill it in."))
        if data.get("kind") == Order.Kind.VIRTUAL:
            self.errors.pop("address", None)
            data["address"] = None
        return data

    def consider(self) -> services.Quote | None:
        """What would be ordered; None with the service's refusals beside the fields. On a valid form."""
        try:
            return services.consider(by=self.by, **self._wish())
        except ValidationError as error:
            self._refuse(error)
        return None

    def place(self) -> Order | None:
        """The order; None with the refusals beside the fields, or with `changes` since it was confirmed."""
        data = self.cleaned_data
        wish = self._wish()
        seen = {name.removeprefix("seen_"): data[name] if data[name] != "" else None for name in SEEN}
        try:
            with transaction.atomic():
                order, created = services.place(
                    **wish,
                    by=self.by,
                    idempotency_key=f"form:{data['key']}",
                    request_digest=self._digest(),
                    seen=services.Seen(**seen),
                )
                if created and data["keep"]:
                    addresses.keep(wish["recipient"], organization=order.organization, by=self.by)
        except ValidationError as error:
            self._refuse(error)
        except services.Changed as changed:
            self.changes = changed.sentences
        except services.IdempotencyConflict:
            self.add_error(None, _("This form was already sent, with other values. Open a new order form."))
        else:
            return order
        return None

    def _wish(self) -> dict[str, Any]:
        data = self.cleaned_data
        quantity = 1 if data["quantity"] is None else data["quantity"]
        wish = {name: data[name] for name in ("configuration", "kind", "media")}
        return {**wish, "quantity": quantity, "recipient": self._recipient()}

    def _recipient(self) -> services.Recipient:
        data = self.cleaned_data
        if data["address"]:
            return addresses.recipient_of(data["address"])
        return services.Recipient(**{name.removeprefix("recipient_"): data[name] for name in RECIPIENT})

    def _refuse(self, error: ValidationError) -> None:
        """Beside the fields; what is wrong with an address of the book, beside the book."""
        if self.cleaned_data.get("address"):
            named = {name: words for name, words in error.message_dict.items() if name in RECIPIENT}
            rest = {name: words for name, words in error.message_dict.items() if name not in RECIPIENT}
            book = [word for words in named.values() for word in words]
            error = ValidationError({**rest, **({"address": book} if book else {})})
        self.add_error(None, error)

    def _digest(self) -> str:
        """What was ordered, however often it was looked at before."""
        names = [name for name in self.fields if name not in SEEN]
        sent = {name: self.data.get(self.add_prefix(name), "") for name in names}
        return hashlib.sha256(json.dumps(sent, sort_keys=True).encode()).hexdigest()


def as_it_was(data: Any) -> dict[str, Any]:
    """What was sent, as the beginning of a form that is looked at again."""
    names = [name for name in OrderForm.base_fields if name not in SEEN]
    values = {name: data[name] for name in names if name in data}
    return {**values, "keep": values.get("keep") in {"on", "True"}}


def as_ordered(order: Order) -> dict[str, Any]:
    """The same choices once more, with what there still is of them."""
    again = {"configuration": order.configuration_id, "kind": order.kind, "media": order.media_id}
    address = addresses.find_for(order)
    recipient = {name: getattr(order, name) for name in RECIPIENT}
    return {**again, "quantity": order.quantity, **({"address": address.pk} if address else recipient)}


def organization_of(form: OrderForm) -> Organization | None:
    """Who pays, as far as that is known."""
    configuration = form.chosen("configuration")
    return configuration.organization if configuration else form.by.organization
