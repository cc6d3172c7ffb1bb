"""What is wrong with a field of a body, in one sentence that names the field, the limit and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from django.core.validators import RegexValidator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.settings import api_settings

SHOWN: Final = 20  # choices in a sentence

Field = serializers.Field[Any, Any, Any, Any]


def in_sentences(told: Any, fields: Mapping[str, Field]) -> Any:
    """DRF's refusals by field, the first of each field: what follows it says the same in other words.

    A sentence of our own stays as it is; those of DRF do not name the field, and leave out what would do.
    """
    if not isinstance(told, dict):
        return told
    return {name: _told(name, reasons, fields.get(name)) for name, reasons in told.items()}


def _told(name: str, reasons: Any, field: Any) -> Any:
    """Of a field, and of what is in it: entries of a list are named by their place, “running[3]”."""
    if isinstance(field, serializers.Serializer) and isinstance(reasons, dict):
        return in_sentences(reasons, field.fields)
    child = getattr(field, "child", None)
    if child is not None and isinstance(reasons, dict):
        whole = api_settings.NON_FIELD_ERRORS_KEY  # of a list that is none
        return {
            place: _told(name, each, field) if place == whole else _told(f"{name}[{place}]", each, child)
            for place, each in reasons.items()
        }
    return _sentence(name, reasons, field)


def _sentence(name: str, reasons: Any, field: Field | None) -> Any:
    if not (isinstance(reasons, list) and reasons and isinstance(reasons[0], ErrorDetail)):
        return reasons
    first = reasons[0]
    make = None if field is None else _maker(first, field)
    return [ErrorDetail(make(name, field), first.code) if make else first]


def _maker(first: ErrorDetail, field: Field) -> Callable[[str, Any], str] | None:
    """None if the field has a sentence of its own for it. “invalid” is what all sorts of things are."""
    code = first.code or ""
    if code in (getattr(field, "_kwargs", {}).get("error_messages") or {}):  # DRF keeps it nowhere else
        return None
    if isinstance(field, serializers.ListField | serializers.ListSerializer) and code in _OF_LISTS:
        return _OF_LISTS[code]
    if code != "invalid":
        return _SENTENCES.get(code)
    if isinstance(field, serializers.CharField) and first != field.error_messages["invalid"]:
        return None  # a validator of ours
    return next((make for kind, make in _KINDS.items() if isinstance(field, kind)), None)


def _said(sentence: str, **words: Callable[[Any], object]) -> Callable[[str, Any], str]:
    """A sentence with the field's name, and what `words` find in the field."""
    return lambda name, field: _(sentence) % {"field": name, **{key: of(field) for key, of in words.items()}}


def one_of(name: str, choices: Iterable[object]) -> str:
    """What would do."""
    names = [str(each) for each in choices if each not in ("", None)]
    told = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
    return _("“%(field)s” must be one of %(choices)s.") % {"field": name, "choices": told}


_SENTENCES: Final[dict[str, Callable[[str, Any], str]]] = {
    "required": _said(gettext_noop("“%(field)s” is missing: send it.")),
    "null": _said(gettext_noop("“%(field)s” must not be null: send a value.")),
    "blank": _said(gettext_noop("“%(field)s” is empty: fill it in.")),
    "null_characters_not_allowed": _said(
        gettext_noop("“%(field)s” holds a zero byte, which cannot be stored: take it out.")
    ),
    "surrogate_characters_not_allowed": _said(
        gettext_noop("“%(field)s” holds half a character, which cannot be stored: take it out.")
    ),
    "max_length": _said(
        gettext_noop("“%(field)s” has at most %(limit)s characters: shorten it."),
        limit=lambda field: field.max_length,
    ),
    "min_length": _said(
        gettext_noop("“%(field)s” has at least %(limit)s characters: lengthen it."),
        limit=lambda field: field.min_length,
    ),
    "not_a_list": _said(gettext_noop("“%(field)s” must be a list: [ … ].")),
    "not_a_dict": _said(gettext_noop("“%(field)s” must be one object: { … }.")),
    "empty": _said(gettext_noop("“%(field)s” is a file without content: choose another.")),
    "min_value": _said(
        gettext_noop("“%(field)s” is at least %(limit)s: send that or more."),
        limit=lambda field: field.min_value,
    ),
    "max_value": _said(
        gettext_noop("“%(field)s” is at most %(limit)s: send that or less."),
        limit=lambda field: field.max_value,
    ),
    "max_string_length": _said(
        gettext_noop("“%(field)s” is no number of ours, it is too long: send a smaller one.")
    ),
    "invalid_choice": lambda name, field: one_of(name, field.choices),
    "does_not_exist": _said(
        gettext_noop("“%(field)s” names nothing that you can use: choose from the list of them.")
    ),
    "incorrect_type": _said(
        gettext_noop("“%(field)s” is of the wrong type: send an identifier as the list tells it.")
    ),
}
_OF_LISTS: Final = {
    "max_length": _said(
        gettext_noop("“%(field)s” takes at most %(limit)s entries: leave some out."),
        limit=lambda field: field.max_length,
    ),
    "min_length": _said(
        gettext_noop("“%(field)s” takes at least %(limit)s entries: send more."),
        limit=lambda field: field.min_length,
    ),
    "empty": _said(gettext_noop("“%(field)s” is an empty list: put at least one entry in.")),
}
_KINDS: Final[dict[type[Field], Callable[[str, Any], str]]] = {
    serializers.IntegerField: _said(gettext_noop("“%(field)s” must be a whole number, for example 1.")),
    serializers.FloatField: _said(gettext_noop("“%(field)s” must be a number, for example 2.5.")),
    serializers.FileField: _said(
        gettext_noop("“%(field)s” must be a file: send the body as multipart/form-data.")
    ),
    serializers.DateTimeField: _said(
        gettext_noop("“%(field)s” must be a time with its zone, for example 2026-03-31T14:30:00Z.")
    ),
    serializers.RegexField: _said(
        gettext_noop("“%(field)s” is not of the form %(pattern)s: write it so."),
        pattern=lambda field: next(
            re.compile(each.regex).pattern for each in field.validators if isinstance(each, RegexValidator)
        ),
    ),
    serializers.BooleanField: _said(gettext_noop("“%(field)s” must be true or false.")),
    serializers.EmailField: _said(
        gettext_noop("“%(field)s” must be an e-mail address, for example awa@example.org.")
    ),
    serializers.URLField: _said(
        gettext_noop("“%(field)s” must be an address of the web, for example https://example.org/a.")
    ),
    serializers.SlugField: _said(
        gettext_noop("“%(field)s” has letters without accents, digits, _ and - only: replace the others.")
    ),
    serializers.CharField: _said(gettext_noop("“%(field)s” must be text, between quotation marks.")),
    serializers.UUIDField: _said(
        gettext_noop("“%(field)s” must be an identifier (a UUID): send one of the list.")
    ),
    serializers.PrimaryKeyRelatedField: _said(
        gettext_noop("“%(field)s” must be an identifier: send one of the list.")
    ),
}
