"""Tries at tasks."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from tasks_app.models.host import Host
from tasks_app.models.task import Task


class Attempt(models.Model):
    """One try of a host at a task, from claim to end."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="attempts")
    attempt = models.PositiveIntegerField()
    host = models.ForeignKey(Host, models.PROTECT, related_name="attempts")
    boot_id = models.CharField(max_length=64)
    claim_id = models.UUIDField(unique=True)
    started_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=20, blank=True)  # done, failed, canceled, lost, timeout, released
    trouble = models.JSONField(null=True)
    log_end = models.PositiveBigIntegerField(default=0)  # characters of the log received so far
    log_cut_to = models.PositiveBigIntegerField(default=0)  # its middle, up to here, was left out
    log_left_out = models.PositiveBigIntegerField(default=0)  # lines of that middle

    class Meta:
        ordering = ["id"]
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        indexes = [models.Index(fields=["ended_at"], name="attempt_ended")]
        constraints = [models.UniqueConstraint(fields=["task", "attempt"], name="attempt_once")]

    def __str__(self) -> str:
        return f"{self.task} attempt {self.attempt}"
