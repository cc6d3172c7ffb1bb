"""What is wrong with a field of a body, in one sentence that names the field, the limit and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

SHOWN: Final = 20  # choices in a sentence

Field = serializers.Field[Any, Any, Any, Any]


def in_sentences(told: Any, fields: Mapping[str, Field]) -> Any:
    """DRF's refusals by field, the first of each field: what follows it says the same in other words.

    A sentence of our own stays as it is; those of DRF do not name the field, and leave out what would do.
    """
    if not isinstance(told, dict):
        return told
    return {name: _sentence(name, reasons, fields.get(name)) for name, reasons in told.items()}


def _sentence(name: str, reasons: Any, field: Field | None) -> Any:
    if not (isinstance(reasons, list) and reasons and isinstance(reasons[0], ErrorDetail)):
        return reasons
    first = reasons[0]
    make = None if field is None else _maker(first.code or "", field)
    return [ErrorDetail(make(name, field), first.code) if make else first]


def _maker(code: str, field: Field) -> Callable[[str, Any], str] | None:
    """None if the field has a sentence of its own for it. “invalid” is what all sorts of things are."""
    if code in (getattr(field, "_kwargs", {}).get("error_messages") or {}):  # DRF keeps it nowhere else
        return None
    if code == "max_length" and isinstance(field, serializers.ListField):
        return _TOO_MANY
    if code != "invalid":
        return _SENTENCES.get(code)
    return next((make for kind, make in _KINDS.items() if isinstance(field, kind)), None)


def _said(sentence: str, **words: Callable[[Any], object]) -> Callable[[str, Any], str]:
    """A sentence with the field's name, and what `words` find in the field."""
    return lambda name, field: _(sentence) % {"field": name, **{key: of(field) for key, of in words.items()}}


def _choices(field: Any) -> str:
    names = [str(each) for each in field.choices if each != ""]
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")


_SENTENCES: Final = {
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
    "invalid_choice": _said(gettext_noop("“%(field)s” must be one of %(choices)s."), choices=_choices),
    "does_not_exist": _said(
        gettext_noop("“%(field)s” names nothing that you can use: choose from the list of them.")
    ),
    "incorrect_type": _said(
        gettext_noop("“%(field)s” is of the wrong type: send an identifier as the list tells it.")
    ),
}
_TOO_MANY: Final = _said(
    gettext_noop("“%(field)s” takes at most %(limit)s entries: leave some out."),
    limit=lambda field: field.max_length,
)
_KINDS: Final[dict[type[Field], Callable[[str, Any], str]]] = {
    serializers.IntegerField: _said(gettext_noop("“%(field)s” must be a whole number, for example 1.")),
    serializers.BooleanField: _said(gettext_noop("“%(field)s” must be true or false.")),
    serializers.EmailField: _said(
        gettext_noop("“%(field)s” must be an e-mail address, for example awa@example.org.")
    ),
    serializers.UUIDField: _said(
        gettext_noop("“%(field)s” must be an identifier (a UUID): send one of the list.")
    ),
    serializers.PrimaryKeyRelatedField: _said(
        gettext_noop("“%(field)s” must be an identifier: send one of the list.")
    ),
}
