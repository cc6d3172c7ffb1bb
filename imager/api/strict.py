"""Bodies that hold what they should, and nothing else."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class Strict(serializers.Serializer[Any]):
    """Refuses keys that it does not know: a misspelt key must not be lost in silence."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = set(data) - set(self.fields) if isinstance(data, dict) else set()
        if unknown:
            raise serializers.ValidationError({key: ["Unknown key."] for key in sorted(unknown)})
        return super().to_internal_value(data)
