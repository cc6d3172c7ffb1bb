"""What staff tell each other about an order."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from orders.models.orders import Order


class OrderNote(models.Model):
    """A note of staff on an order. Members never see it."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="notes", verbose_name=_("order"))
    at = models.DateTimeField(_("at"), auto_now_add=True)
    by = models.CharField(_("by"), max_length=254)  # the address, as in moves; GONE once they have left
    text = models.TextField(_("note"), max_length=2000)

    class Meta:
        ordering = ["id"]
        verbose_name = _("note on an order")
        verbose_name_plural = _("notes on orders")

    def __str__(self) -> str:
        return f"{self.order_id} {self.at:%Y-%m-%d}"
