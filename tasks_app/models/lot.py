"""Where cards come from."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _


class Lot(models.Model):
    """Cards bought together. A card in a USB reader tells nothing of its maker: an operator does."""

    brand = models.CharField(_("brand"), max_length=60)
    name = models.CharField(_("lot"), max_length=60, blank=True)
    created_at = models.DateTimeField(_("first used"), auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        verbose_name = _("lot of cards")
        verbose_name_plural = _("lots of cards")
        constraints = [models.UniqueConstraint(Lower("brand"), Lower("name"), name="lot_once")]

    def __str__(self) -> str:
        return " ".join(filter(None, (self.brand, self.name)))
