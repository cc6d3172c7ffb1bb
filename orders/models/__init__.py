"""What people describe and order: media, contents, configurations, orders."""

from __future__ import annotations

from orders.models.addresses import Address
from orders.models.configurations import UPLOADS, Configuration, ConfigurationVersion
from orders.models.contents import Content, Edition, Feed, Source
from orders.models.media import Media
from orders.models.notes import OrderNote
from orders.models.orders import MAX_QUANTITY, NextNumber, Order, OrderMove, Priority, download_token
from orders.models.uploads import Upload

__all__ = [
    "MAX_QUANTITY",
    "UPLOADS",
    "Address",
    "Configuration",
    "ConfigurationVersion",
    "Content",
    "Edition",
    "Feed",
    "Media",
    "NextNumber",
    "Order",
    "OrderMove",
    "OrderNote",
    "Priority",
    "Source",
    "Upload",
    "download_token",
]
