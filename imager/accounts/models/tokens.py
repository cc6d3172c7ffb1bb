"""Refresh tokens, by the hash of their id."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from imager.accounts.models.people import User


class RefreshToken(models.Model):
    """A refresh token, by the hash of its id. Used once: one UPDATE decides who wins."""

    jti_hash = models.CharField(max_length=64, primary_key=True)
    family = models.UUIDField(default=uuid.uuid4, db_index=True)
    user = models.ForeignKey(User, models.CASCADE, related_name="refresh_tokens")
    epoch = models.PositiveIntegerField()
    issued_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    family_expires_at = models.DateTimeField()
    consumed_at = models.DateTimeField(null=True)
    successor_jti = models.CharField(max_length=64, blank=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("refresh token")
        verbose_name_plural = _("refresh tokens")
        indexes = [models.Index(fields=["expires_at"], name="refresh_expiring")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.issued_at:%Y-%m-%d}"
