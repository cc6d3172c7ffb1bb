"""What the shop told: each purchase once, each signature once."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from imager.accounts.models.invitations import Invitation
from imager.accounts.models.organizations import Organization


class ShopEvent(models.Model):
    """A purchase, by the shop's own number for it."""

    event = models.CharField(_("number of the purchase"), max_length=100, unique=True)
    digest = models.CharField(_("digest of the message"), max_length=64)
    organization = models.ForeignKey(
        Organization, models.CASCADE, related_name="+", verbose_name=_("organization")
    )
    invitation = models.ForeignKey(
        Invitation, models.SET_NULL, null=True, related_name="+", verbose_name=_("invitation")
    )
    at = models.DateTimeField(_("at"), auto_now_add=True)

    class Meta:
        verbose_name = _("purchase in a shop")
        verbose_name_plural = _("purchases in shops")

    def __str__(self) -> str:
        return self.event


class ShopSignature(models.Model):
    """A signature that was taken; it is never taken again."""

    signature = models.CharField(max_length=64, primary_key=True)
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    def __str__(self) -> str:
        return self.signature[:8]
