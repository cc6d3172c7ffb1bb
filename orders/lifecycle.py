"""The states of an order and its moves."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class OrderStatus(models.TextChoices):
    """Where an order is."""

    PLACED = "placed", _("placed")
    CREATING = "creating", _("creating the image")
    DOWNLOADING = "downloading", _("downloading to the writer host")
    WRITING = "writing", _("writing cards")
    READY_TO_SHIP = "ready_to_ship", _("ready to ship")
    SHIPPED = "shipped", _("shipped")
    AVAILABLE = "available", _("available for download")
    EXPIRED = "expired", _("expired")
    CANCELED = "canceled", _("canceled")
    FAILED = "failed", _("failed")


S = OrderStatus

FINAL = frozenset({S.SHIPPED, S.EXPIRED, S.CANCELED})
STAGES = (S.PLACED, S.CREATING, S.DOWNLOADING, S.WRITING)
OPEN = (*STAGES, S.READY_TO_SHIP)  # what counts where open orders are limited

MOVES: dict[str, frozenset[str]] = {
    S.PLACED: frozenset({S.CREATING, S.CANCELED, S.FAILED}),
    S.CREATING: frozenset({S.DOWNLOADING, S.AVAILABLE, S.CANCELED, S.FAILED}),
    S.DOWNLOADING: frozenset({S.WRITING, S.CANCELED, S.FAILED}),
    S.WRITING: frozenset({S.READY_TO_SHIP, S.CANCELED, S.FAILED}),
    S.READY_TO_SHIP: frozenset({S.SHIPPED, S.CANCELED}),
    S.AVAILABLE: frozenset({S.EXPIRED, S.CANCELED}),
    S.FAILED: frozenset({S.PLACED, S.CREATING, S.DOWNLOADING, S.WRITING, S.CANCELED}),
    S.SHIPPED: frozenset(),
    S.EXPIRED: frozenset(),
    S.CANCELED: frozenset(),
}
