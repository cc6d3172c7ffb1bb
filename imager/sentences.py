"""What is wrong with a field of a form or a model, in one sentence that names it, the limit and what to do.

Django's own sentences do not. `FORM_RENDERER` gives the fields of every form the class below, also those of
the admin and of the login; sentences of ours stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from django import forms
from django.core import validators
from django.core.exceptions import ValidationError
from django.db import models
from django.forms.boundfield import BoundField
from django.forms.renderers import DjangoTemplates
from django.forms.utils import ErrorList
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

SHOWN: Final = 10  # choices in a sentence

Make = Callable[[str, forms.Field | None, Mapping[str, Any]], str]


class TellingField(BoundField):
    """A field on a page that refuses in our sentences."""

    @property
    def errors(self) -> ErrorList:
        """Django's list, each reason in our words."""
        found = super().errors
        if not found:
            return found
        told = found.copy()
        # By it the control names its errors; Django's copy loses it, and its stubs do not know it.
        told.field_id = found.field_id  # type: ignore[attr-defined]
        told.data = [in_words(capfirst(self.label), self.field, error) for error in found.data]
        return told


class Renderer(DjangoTemplates):
    """Django's own, with our fields."""

    bound_field_class = TellingField


def sentences(error: ValidationError) -> dict[str, list[str]]:
    """By the names of the fields of a model."""
    return {
        name: [str(said) for each in reasons for said in in_words(name, None, each).messages]
        for name, reasons in error.error_dict.items()
    }


def in_words(label: Any, field: forms.Field | None, error: Any) -> Any:
    """The error with a sentence of ours in the place of one of Django's."""
    make = _MADE.get(id(error.message)) if isinstance(error, ValidationError) else None
    if make is None:
        return error
    return ValidationError(make(str(label), field, error.params or {}), code=error.code)


def _said(sentence: str, **words: str) -> Make:
    """A sentence with the field's name, and what Django calls the `words`."""
    return lambda label, _field, told: (
        _(sentence) % {"field": label, **{word: told.get(name, "") for word, name in words.items()}}
    )


def _missing(label: str, field: forms.Field | None, _told: Mapping[str, Any]) -> str:
    made = next((made for kind, made in _LEFT_OUT.items() if isinstance(field, kind)), _EMPTY)
    return made(label, field, {})


def _no_choice(label: str, field: forms.Field | None, told: Mapping[str, Any]) -> str:
    if field is None:  # of a model: nobody sees a list
        words = {"field": label, "value": str(told.get("value", ""))[:100]}
        return _("“%(field)s” cannot be “%(value)s”: choose another value.") % words
    names = [str(name) for value, name in getattr(field, "choices", ()) if value not in ("", None)]
    if 1 < len(names) <= SHOWN:
        words = {"field": label, "choices": ", ".join(names)}
        return _("“%(field)s” must be one of %(choices)s: choose one of these.") % words
    return _("“%(field)s” does not offer what was sent: choose from its list.") % {"field": label}


_NOT_OFFERED: Final = _said(gettext_noop("“%(field)s” does not offer what was sent: choose from its list."))
_EMPTY: Final = _said(gettext_noop("“%(field)s” is empty: fill it in."))
_LEFT_OUT: Final[dict[type[forms.Field], Make]] = {
    forms.BooleanField: _said(gettext_noop("“%(field)s” is not ticked: tick it to go on.")),
    forms.FileField: _said(gettext_noop("“%(field)s” has no file: choose one.")),
    forms.ChoiceField: _said(gettext_noop("“%(field)s” has nothing chosen: choose from its list.")),
}
_DATE: Final = _said(gettext_noop("“%(field)s” must be a date, for example 2026-03-31."))
_TIME: Final = _said(gettext_noop("“%(field)s” must be a time, for example 14:30."))
_NUMBER: Final = _said(gettext_noop("“%(field)s” must be a number, for example 2.5."))
_NO_FILE: Final = _said(gettext_noop("“%(field)s” did not arrive as a file: choose it again."))
_ADDRESS: Final = _said(
    gettext_noop("“%(field)s” must be an address of the web, for example https://example.org/a.")
)
_TAKEN: Final = _said(gettext_noop("“%(field)s” is taken: another one has it. Choose another."))


def _of(kind: Any, **made: Make) -> dict[int, Make]:
    """By the very objects with which a class of Django refuses."""
    return {id(kind.default_error_messages[code]): make for code, make in made.items()}


_MADE: Final[dict[int, Make]] = {
    **_of(forms.Field, required=_missing),
    **_of(models.Field, null=_missing, blank=_missing, invalid_choice=_no_choice, unique=_TAKEN),
    **_of(
        forms.IntegerField,
        invalid=_said(gettext_noop("“%(field)s” must be a whole number, for example 1.")),
    ),
    **_of(forms.FloatField, invalid=_NUMBER),
    **_of(forms.DecimalField, invalid=_NUMBER),
    **_of(forms.DateField, invalid=_DATE),
    **_of(forms.TimeField, invalid=_TIME),
    **_of(
        forms.DateTimeField,
        invalid=_said(gettext_noop("“%(field)s” must be a date and a time, for example 2026-03-31 14:30.")),
    ),
    **_of(forms.SplitDateTimeField, invalid_date=_DATE, invalid_time=_TIME),
    **_of(
        forms.DurationField,
        invalid=_said(gettext_noop("“%(field)s” must be a length of time, for example 1:30:00.")),
    ),
    **_of(forms.UUIDField, invalid=_said(gettext_noop("“%(field)s” must be an identifier (a UUID)."))),
    **_of(forms.JSONField, invalid=_said(gettext_noop("“%(field)s” must be JSON, for example {}."))),
    **_of(forms.URLField, invalid=_ADDRESS),
    **_of(
        forms.FileField,
        invalid=_NO_FILE,
        missing=_NO_FILE,
        empty=_said(gettext_noop("“%(field)s” is a file without content: choose another.")),
        max_length=_said(
            gettext_noop(
                "“%(field)s” has at most %(limit)s characters in its file name; this one has %(has)s: "
                "rename it."
            ),
            limit="max",
            has="length",
        ),
        contradiction=_said(
            gettext_noop("“%(field)s”: choose a file or tick the box that takes it away, not both.")
        ),
    ),
    **_of(forms.ChoiceField, invalid_choice=_no_choice),
    **_of(forms.MultipleChoiceField, invalid_choice=_no_choice, invalid_list=_NOT_OFFERED),
    **_of(forms.ModelChoiceField, invalid_choice=_NOT_OFFERED),
    **_of(
        forms.ModelMultipleChoiceField,
        invalid_choice=_NOT_OFFERED,
        invalid_list=_NOT_OFFERED,
        invalid_pk_value=_NOT_OFFERED,
    ),
    id(validators.MaxLengthValidator.message): _said(
        gettext_noop("“%(field)s” has at most %(limit)s characters; here are %(has)s: shorten it."),
        limit="limit_value",
        has="show_value",
    ),
    id(validators.MinLengthValidator.message): _said(
        gettext_noop("“%(field)s” has at least %(limit)s characters; here are %(has)s: lengthen it."),
        limit="limit_value",
        has="show_value",
    ),
    id(validators.MinValueValidator.message): _said(
        gettext_noop("“%(field)s” is at least %(limit)s: enter that or more."), limit="limit_value"
    ),
    id(validators.MaxValueValidator.message): _said(
        gettext_noop("“%(field)s” is at most %(limit)s: enter that or less."), limit="limit_value"
    ),
    id(validators.EmailValidator.message): _said(
        gettext_noop("“%(field)s” must be an e-mail address, for example awa@example.org.")
    ),
    id(validators.URLValidator.message): _ADDRESS,
    id(validators.validate_slug.message): _said(
        gettext_noop("“%(field)s” has letters without accents, digits, _ and - only: replace the others.")
    ),
    id(validators.ProhibitNullCharactersValidator.message): _said(
        gettext_noop("“%(field)s” holds a zero byte, which cannot be stored: take it out.")
    ),
}
