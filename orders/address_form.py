"""The form of the address book."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from imager.accounts.models import Role, User
from orders import countries
from orders.models import Address


def country_choices() -> list[tuple[str, str]]:
    """All countries in the reader's language."""
    return [("", "—"), *countries.names().items()]


class AddressForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """An address of an organization. Only staff choose whose, and only of a new one."""

    country = forms.ChoiceField(label=_("country"), choices=country_choices)

    class Meta:
        model = Address
        fields = [
            "organization",
            "name",
            "recipient",
            "street",
            "postal_code",
            "city",
            "country",
            "phone",
            "email",
        ]
        widgets: ClassVar = {"street": forms.Textarea(attrs={"rows": 3, "autocomplete": "off"})}

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.by = by
        if self.instance.pk or by.role != Role.STAFF:
            del self.fields["organization"]
        if not self.instance.pk and by.organization:
            self.instance.organization = by.organization

    def clean(self) -> dict[str, Any]:
        """Nobody keeps an address for no organization."""
        data = super().clean() or self.cleaned_data
        if "organization" not in self.fields and not self.instance.organization_id:
            raise ValidationError(
                _("You belong to no organization. Ask the staff to add you to yours."), "no_organization"
            )
        return data

    def save(self, commit: bool = True) -> Address:  # Django's signature
        """The address, with whoever entered it."""
        if not self.instance.pk:
            self.instance.created_by = self.by
        saved: Address = super().save(commit)
        return saved
