"""Bodies of media and contents."""

from __future__ import annotations

from rest_framework import serializers

from orders.models import Content, Media


class MediaSerializer(serializers.ModelSerializer[Media]):
    class Meta:
        model = Media
        fields = ["id", "name", "kind", "gigabytes", "bytes"]


class ContentSerializer(serializers.ModelSerializer[Content]):
    """What can be put on a card, in its newest edition."""

    kind_label = serializers.CharField(source="get_kind_display", read_only=True)

    class Meta:
        model = Content
        fields = [
            "ident",
            "kind",
            "kind_label",
            "title",
            "description",
            "publisher",
            "name",
            "flavour",
            "category",
            "tags",
            "languages",
            "articles",
            "medias",
            "version",
            "issued",
            "edition",
            "path",
            "size",
        ]
        read_only_fields = fields
