"""Work for the server itself."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Outbox(models.Model):
    """Work for the server itself (mails), written in the transaction that caused it and done once."""

    kind = models.CharField(_("kind"), max_length=50)
    dedupe = models.CharField(_("key"), max_length=200, unique=True)
    payload = models.JSONField(_("content"), default=dict)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    not_before = models.DateTimeField(_("not before"), default=timezone.now)
    rung_at = models.DateTimeField(_("last rung"), null=True)
    sent_at = models.DateTimeField(_("sent"), null=True)
    tries = models.PositiveIntegerField(_("tries"), default=0)
    last_error = models.TextField(_("last error"), blank=True)
    given_up_at = models.DateTimeField(_("given up"), null=True)  # tried often enough: staff decide

    class Meta:
        ordering = ["id"]
        verbose_name = _("outbox entry")
        verbose_name_plural = _("outbox")
        indexes = [
            models.Index(fields=["not_before"], condition=Q(sent_at__isnull=True), name="outbox_unsent")
        ]

    def __str__(self) -> str:
        return self.dedupe
