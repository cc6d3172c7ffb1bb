"""Where cards go: what of it is needed, and how it is written."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from orders import countries, phones

LIMITS: Final = {
    "name": 100,
    "email": 254,
    "phone": phones.LONGEST,
    "address": 1000,
    "postal_code": 20,
    "city": 100,
    "country": 2,
}
NEEDED: Final = frozenset({"name", "address", "country"})  # for cards


@dataclass(frozen=True)
class Recipient:
    """Where the cards go. The names are those of the order's fields behind `recipient_`."""

    name: str = ""
    email: str = ""
    phone: str = ""
    address: str = ""
    postal_code: str = ""
    city: str = ""
    country: str = ""

    @property
    def lines(self) -> list[str]:
        """As on the parcel, between name and country."""
        return lines(self.address, self.postal_code, self.city)

    def tidy(self) -> Recipient:
        """Without space around anything, and with a number that can be dialled. Only of a checked one."""
        tidy = Recipient(**{field: value.strip() for field, value in asdict(self).items()})
        return replace(tidy, phone=phones.international(tidy.phone, tidy.country))


def recipient_errors(recipient: Recipient, *, needed: bool) -> dict[str, list[str]]:
    """What is wrong, by the order's fields; `needed`: cards go there."""
    given = {field: value.strip() for field, value in asdict(recipient).items()}
    errors = {
        field: _error(field, value, needed=needed and field in NEEDED) for field, value in given.items()
    }
    errors["phone"] = errors["phone"] or _phone(given["phone"], given["country"])
    return {f"recipient_{field}": [error] for field, error in errors.items() if error}


def lines(address: str, postal_code: str, city: str) -> list[str]:
    """The lines of an address, as they stand on the parcel between name and country."""
    place = " ".join(part for part in (postal_code, city) if part)
    return [line for line in [*address.splitlines(), place] if line.strip()]


def _error(field: str, value: str, *, needed: bool) -> str:
    if not value:
        return _("Needed to send the cards: fill it in.") if needed else ""
    if field == "country" and value not in countries.CODES:
        return _("Not a country code. Use two capital letters, for example ML.")
    if len(value) > LIMITS[field]:
        return _("At most %(limit)s characters.") % {"limit": LIMITS[field]}
    return _email(value) if field == "email" else ""


def _email(value: str) -> str:
    try:
        validate_email(value)
    except ValidationError as error:
        return " ".join(error.messages)
    return ""


def _phone(value: str, country: str) -> str:
    try:
        phones.international(value, country if country in countries.CODES else "")
    except ValidationError as error:
        return " ".join(error.messages)
    return ""
