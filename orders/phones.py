"""Phone numbers as they can be dialled from everywhere."""

from __future__ import annotations

from typing import Final

import phonenumbers
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

LONGEST: Final = 30
INTERNATIONAL: Final = phonenumbers.PhoneNumberFormat.INTERNATIONAL


def international(text: str, country: str = "") -> str:
    """The number with its country's code, for example “+223 20 22 52 29”; empty if nothing was given.

    What is given without a code is a number of `country` (ISO 3166). Raises ValidationError for what nobody
    could dial.
    """
    if not text.strip():
        return ""
    number = _parsed(text, country)
    if number is None or not phonenumbers.is_possible_number(number):
        sentence = _(
            "Not a phone number that can be dialled from abroad. "
            "Begin with + and the country's code, for example %(example)s."
        )
        raise ValidationError(sentence % {"example": _example(country)}, "phone")
    dialled = phonenumbers.format_number(number, INTERNATIONAL)
    if len(dialled) > LONGEST:
        raise ValidationError(_("At most %(limit)s characters.") % {"limit": LONGEST}, "phone")
    return dialled


def _parsed(text: str, country: str) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(text, country or None)
    except phonenumbers.NumberParseException:
        return None


def _example(country: str) -> str:
    """A number of that country, or of one whose numbers have the usual look."""
    number = phonenumbers.example_number(country)
    return phonenumbers.format_number(number, INTERNATIONAL) if number else "+223 20 21 23 45"
