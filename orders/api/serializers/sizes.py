"""Bodies of what a configuration would take, before it is saved."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from imager.api.strict import Strict
from orders import sizes
from orders.api.fields import ContentsField
from orders.api.serializers.configurations import upload_field
from orders.models import Configuration, Media


class MeasureSerializer(Strict):
    """What takes room on a card; what is left out takes none."""

    contents = ContentsField(required=False, help_text="Identifiers of the catalogue.")
    content_metrics = serializers.BooleanField(default=False)
    option_kiwix_readers = serializers.BooleanField(default=False)
    branding_logo = upload_field("An upload of the kind `logo`.")
    branding_favicon = upload_field("An upload of the kind `favicon`.")
    preload_zip = upload_field("An upload of the kind `zip`.")

    def measured(self) -> dict[str, Any]:
        """Of a valid body: what the image needs, and the smallest sizes that hold it."""
        values = dict(self.validated_data)
        contents = values.pop("contents", [])
        needed = sizes.needed_by(Configuration(**values), contents)
        card, download = (sizes.smallest_fitting(kind, needed) for kind in Media.Kind.values)
        return {
            "needed_bytes": needed,
            "card": card and card.pk,
            "download": download and download.pk,
            "free_bytes": card.bytes - needed if card else 0,
        }


class MeasuredSerializer(serializers.Serializer[Any]):
    """The smallest media that hold it, by their ids; null: none is large enough."""

    needed_bytes = serializers.IntegerField()
    card = serializers.IntegerField(allow_null=True)
    download = serializers.IntegerField(allow_null=True)
    free_bytes = serializers.IntegerField(help_text="On that card.")
