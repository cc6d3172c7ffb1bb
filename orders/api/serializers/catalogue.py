"""Bodies of media and contents."""

from __future__ import annotations

from rest_framework import serializers

from orders.models import Content, Media


class MediaSerializer(serializers.ModelSerializer[Media]):
    class Meta:
        model = Media
        fields = ["id", "name", "kind", "gigabytes", "bytes"]


class ContentSerializer(serializers.ModelSerializer[Content]):
    class Meta:
        model = Content
        fields = ["ident", "kind", "title", "description", "language", "path", "size"]
