"""Machines that work for a channel."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from imager.accounts.models import Channel, User
from tasks_app.models.lot import Lot


class Host(models.Model):
    """A machine that works for a channel: a creator, or a writer (which downloads, too)."""

    class Kind(models.TextChoices):
        CREATOR = "creator", _("creator")
        WRITER = "writer", _("writer")

    name = models.SlugField(_("name"), max_length=50, unique=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    channel = models.ForeignKey(Channel, models.PROTECT, related_name="hosts", verbose_name=_("channel"))
    account = models.OneToOneField(User, models.PROTECT, related_name="host", verbose_name=_("account"))
    operator_email = models.EmailField(_("operator's e-mail"), blank=True)
    signing_key = models.CharField(_("public key"), max_length=64, blank=True)
    automatic = models.BooleanField(
        _("automatic"),
        default=False,
        help_text=_("Cards are written as soon as they are inserted, without confirmation."),
    )
    lot = models.ForeignKey(
        Lot, models.SET_NULL, null=True, blank=True, related_name="hosts", verbose_name=_("cards in use")
    )
    draining = models.BooleanField(
        _("draining"), default=False, help_text=_("Finishes its work, takes no more.")
    )
    disabled = models.BooleanField(_("disabled"), default=False)
    version = models.CharField(_("version"), max_length=30, blank=True)
    boot_id = models.CharField(_("start of the host"), max_length=64, blank=True)
    free_bytes = models.BigIntegerField(_("free disk"), null=True)
    last_seen_at = models.DateTimeField(_("last seen"), null=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("host")
        verbose_name_plural = _("hosts")

    def __str__(self) -> str:
        return self.name
