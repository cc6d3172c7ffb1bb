"""Fields that more than one body uses."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from orders.models import Content

MAX_CONTENTS = 1000


@extend_schema_field(serializers.ListField(child=serializers.CharField(), max_length=MAX_CONTENTS))
class ContentsField(serializers.Field[list[Content], Any, list[str], Any]):
    """Contents of the catalogue by their identifiers; one query, however many there are."""

    def to_internal_value(self, data: Any) -> list[Content]:
        if not isinstance(data, list) or not all(isinstance(ident, str) for ident in data):
            raise serializers.ValidationError(_("A list of identifiers of the catalogue."))
        if len(data) > MAX_CONTENTS:
            raise serializers.ValidationError(_("At most %(limit)s contents.") % {"limit": MAX_CONTENTS})
        found = {content.ident: content for content in Content.objects.filter(ident__in=data, active=True)}
        unknown = [ident for ident in data if ident not in found]
        if unknown:
            raise serializers.ValidationError(
                _("Not in the catalogue: %(idents)s.") % {"idents": ", ".join(unknown[:10])}
            )
        return list(found.values())

    def to_representation(self, value: Any) -> list[str]:
        return sorted(content.ident for content in value.all())
