"""Bodies that hold what they should, and say in whole sentences what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.settings import api_settings

from imager.api.sentences import in_sentences

NAME: Final = 60  # characters of an unknown key that are told


class Telling(serializers.Serializer[Any]):
    """Refuses in our sentences; what it does not know it ignores."""

    def run_validation(self, data: Any = empty) -> Any:
        """A whole body that is `null` is none: DRF would call it “No data provided”."""
        if data is None and self.parent is None:
            raise _no_object()
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise _no_object()
        try:
            return super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError(in_sentences(error.detail, self.fields)) from error


class Strict(Telling):
    """Refuses keys that it does not know, too: a misspelt key must not be lost in silence."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = set(data) - set(self.fields) if isinstance(data, dict) else set()
        if unknown:
            told = _("“%(field)s” is no key of this body: leave it out, or correct its spelling.")
            raise serializers.ValidationError(
                {key: [told % {"field": key[:NAME]}] for key in sorted(unknown)}
            )
        return super().to_internal_value(data)


class Words(serializers.CharField):
    """Text, and no number that could be written as text."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


def _no_object() -> serializers.ValidationError:
    told = _("Send one object { … } with the fields by their names.")
    return serializers.ValidationError({api_settings.NON_FIELD_ERRORS_KEY: [told]})
