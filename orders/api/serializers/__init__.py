"""Bodies of orders, configurations and the catalogue. Every field is named; nothing else goes in or out."""

from __future__ import annotations

from orders.api.serializers.addresses import AddressSerializer
from orders.api.serializers.catalogue import ContentSerializer, MediaSerializer
from orders.api.serializers.configurations import (
    ComparedSerializer,
    ConfigurationSerializer,
    DifferenceSerializer,
    ImportedSerializer,
    ImportSerializer,
    RecipeTextSerializer,
    ReplacementsSerializer,
    RestoreSerializer,
    SecretsSerializer,
    UploadInputSerializer,
    UploadSerializer,
    VersionSerializer,
)
from orders.api.serializers.desk import (
    DeskSerializer,
    NoteInputSerializer,
    NoteSerializer,
    PriorityInputSerializer,
    RecreateInputSerializer,
)
from orders.api.serializers.orders import (
    CardSerializer,
    MoveSerializer,
    OrderDetailSerializer,
    OrderedContentSerializer,
    OrderInputSerializer,
    OrderSerializer,
    ReasonSerializer,
    RecipientInputSerializer,
    ShipInputSerializer,
    StageSerializer,
    VisibleConfiguration,
)
from orders.api.serializers.sizes import MeasuredSerializer, MeasureSerializer

__all__ = [
    "AddressSerializer",
    "CardSerializer",
    "ComparedSerializer",
    "ConfigurationSerializer",
    "ContentSerializer",
    "DeskSerializer",
    "DifferenceSerializer",
    "ImportSerializer",
    "ImportedSerializer",
    "MeasureSerializer",
    "MeasuredSerializer",
    "MediaSerializer",
    "MoveSerializer",
    "NoteInputSerializer",
    "NoteSerializer",
    "OrderDetailSerializer",
    "OrderInputSerializer",
    "OrderSerializer",
    "OrderedContentSerializer",
    "PriorityInputSerializer",
    "ReasonSerializer",
    "RecipeTextSerializer",
    "RecipientInputSerializer",
    "RecreateInputSerializer",
    "ReplacementsSerializer",
    "RestoreSerializer",
    "SecretsSerializer",
    "ShipInputSerializer",
    "StageSerializer",
    "UploadInputSerializer",
    "UploadSerializer",
    "VersionSerializer",
    "VisibleConfiguration",
]
