"""Bodies of the address book."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from rest_framework import serializers

from imager.accounts.models import Organization
from imager.api.strict import Strict
from orders import phones
from orders.api.fields import whose
from orders.models import Address


class AddressSerializer(Strict, serializers.ModelSerializer[Address]):
    """An address. Orders hold a copy of it: changing or deleting it changes no order."""

    organization = serializers.SlugRelatedField(
        slug_field="slug",
        queryset=Organization.objects.filter(active=True),
        required=False,
        help_text="Yours, unless you are staff. Cannot be changed later.",
    )

    class Meta:
        model = Address
        fields = [
            "id",
            "organization",
            "name",
            "recipient",
            "email",
            "phone",
            "street",
            "postal_code",
            "city",
            "country",
            "created_at",
            "updated_at",
        ]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Settle whose it is, and write the phone number as it can be dialled from everywhere."""
        attrs["organization"] = whose(self, attrs)
        if {"phone", "country"} & attrs.keys():
            attrs["phone"] = self._phone(attrs)
        return attrs

    def _phone(self, attrs: dict[str, Any]) -> str:
        told = {name: attrs.get(name, getattr(self.instance, name, "")) for name in ("phone", "country")}
        try:
            return phones.international(told["phone"], told["country"])
        except ValidationError as error:
            raise serializers.ValidationError({"phone": error.messages}) from error
