"""The address book of an organization."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from imager.accounts.models import Organization, User
from orders import phones, recipients, validators


class Address(models.Model):
    """Where cards of an organization can go. Orders hold a copy: changing or deleting it changes none."""

    organization = models.ForeignKey(
        Organization, models.PROTECT, related_name="addresses", verbose_name=_("organization")
    )
    name = models.CharField(
        _("name of the address"),
        max_length=100,
        help_text=_("For you: it stands in lists, not on the parcel."),
    )
    recipient = models.CharField(_("recipient"), max_length=recipients.LIMITS["name"])
    email = models.EmailField(
        _("recipient's e-mail"), blank=True, help_text=_("Told when the cards are on their way.")
    )
    phone = models.CharField(
        _("phone"),
        max_length=recipients.LIMITS["phone"],
        blank=True,
        help_text=_("Carriers ask for it. With the country's code, for example +223 20 22 52 29."),
    )
    street = models.TextField(
        _("street"),
        max_length=recipients.LIMITS["address"],
        help_text=_("Street and number or post box; as many lines as needed, without city and country."),
    )
    postal_code = models.CharField(_("postal code"), max_length=recipients.LIMITS["postal_code"], blank=True)
    city = models.CharField(_("city"), max_length=recipients.LIMITS["city"])
    country = models.CharField(_("country"), max_length=2, validators=[validators.country])
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("created by")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        ordering = ["name", "pk"]
        verbose_name = _("address")
        verbose_name_plural = _("addresses")
        indexes = [models.Index(fields=["organization", "name"], name="address_book")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Write the phone number as it can be dialled from everywhere."""
        if not self.country:
            return  # said beside that field
        try:
            self.phone = phones.international(self.phone, self.country)
        except ValidationError as error:
            raise ValidationError({"phone": error.messages}) from error
