"""Bodies of orders, configurations and the catalogue. Every field is named; nothing else goes in or out."""

from __future__ import annotations

from orders.api.serializers.addresses import AddressSerializer
from orders.api.serializers.catalogue import ContentSerializer, MediaSerializer
from orders.api.serializers.configurations import ConfigurationSerializer
from orders.api.serializers.orders import (
    CardSerializer,
    MoveSerializer,
    OrderDetailSerializer,
    OrderedContentSerializer,
    OrderInputSerializer,
    OrderSerializer,
    ReasonSerializer,
    ShipInputSerializer,
    StageSerializer,
    VisibleConfiguration,
)

__all__ = [
    "AddressSerializer",
    "CardSerializer",
    "ConfigurationSerializer",
    "ContentSerializer",
    "MediaSerializer",
    "MoveSerializer",
    "OrderDetailSerializer",
    "OrderInputSerializer",
    "OrderSerializer",
    "OrderedContentSerializer",
    "ReasonSerializer",
    "ShipInputSerializer",
    "StageSerializer",
    "VisibleConfiguration",
]
