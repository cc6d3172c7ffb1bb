"""Bodies of the desk: what staff do with an order, and members never see."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from imager.api.strict import Strict, Words
from orders.desk import MAX_NOTE
from orders.models import OrderNote, Priority

PRIORITIES = [priority.name.lower() for priority in Priority]


class OfferedSerializer(serializers.Serializer[dict[str, bool]]):
    """What can be done with the order now, by whoever asks."""

    note = serializers.BooleanField()
    prioritize = serializers.BooleanField()
    readdress = serializers.BooleanField()
    recreate = serializers.BooleanField()


class DeskSerializer(serializers.Serializer[Any]):
    """An order as it lies on the desk."""

    priority = serializers.ChoiceField(PRIORITIES)
    notes = serializers.IntegerField(help_text="How many there are.")
    offered = OfferedSerializer()


class NoteSerializer(serializers.ModelSerializer[OrderNote]):
    """What staff, or the desk itself, wrote about an order."""

    class Meta:
        model = OrderNote
        fields = ["id", "at", "by", "text"]
        read_only_fields = fields


class NoteInputSerializer(Strict):
    """Members never see it."""

    text = Words(max_length=MAX_NOTE)


class PriorityInputSerializer(Strict):
    """Whose work is done first."""

    priority = serializers.ChoiceField(PRIORITIES)

    def validate_priority(self, value: str) -> int:
        """As the order has it."""
        return int(Priority[value.upper()])


class RecreateInputSerializer(Strict):
    """Whether it costs the organization nothing."""

    free = serializers.BooleanField(default=True)
