"""The logs of attempts, as they came."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from tasks_app.models.attempt import Attempt


class LogPiece(models.Model):
    """What one report added to the log of an attempt. Offsets are characters since the attempt began.

    Rows are added and, when the log grows too long or old, deleted; they are never changed.
    """

    attempt = models.ForeignKey(Attempt, models.CASCADE, related_name="pieces", db_index=False)
    start = models.PositiveBigIntegerField()
    end = models.PositiveBigIntegerField()
    text = models.TextField()

    class Meta:
        ordering = ["attempt", "end"]
        verbose_name = _("piece of a log")
        verbose_name_plural = _("pieces of logs")
        constraints = [models.UniqueConstraint(fields=["attempt", "end"], name="log_piece_once")]

    def __str__(self) -> str:
        return f"{self.attempt_id} {self.start}–{self.end}"
