"""What was made for which Idempotency-Key: a request that is sent again makes nothing again."""

from __future__ import annotations

from django.db import models

from imager.accounts.models.people import User


class Repeat(models.Model):
    """A create that came with a key. Kept for a day."""

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    path = models.CharField(max_length=100)
    key = models.CharField(max_length=100)
    digest = models.CharField(max_length=64)  # of the body
    made = models.CharField(max_length=40, blank=True)  # the primary key of what was made
    beside = models.JSONField(default=dict, db_default={}, blank=True)  # what the answer told next to it
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "path", "key"], name="repeat_once_per_key")]

    def __str__(self) -> str:
        return f"{self.path} {self.key}"
