"""Tries at tasks."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tasks_app.models.host import Host
from tasks_app.models.task import Task


class Attempt(models.Model):
    """One try of a host at a task, from claim to end."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="attempts", verbose_name=_("task"))
    attempt = models.PositiveIntegerField(_("attempt"))
    host = models.ForeignKey(Host, models.PROTECT, related_name="attempts", verbose_name=_("host"))
    boot_id = models.CharField(_("start of the host"), max_length=64)
    claim_id = models.UUIDField(_("identifier of the claim"), unique=True)
    started_at = models.DateTimeField(_("started"), auto_now_add=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    outcome = models.CharField(
        _("outcome"), max_length=20, blank=True
    )  # done, failed, canceled, lost, timeout, released
    trouble = models.JSONField(_("trouble"), null=True)
    log_end = models.PositiveBigIntegerField(
        _("length of the log"), default=0
    )  # characters of the log received so far
    log_cut_to = models.PositiveBigIntegerField(
        _("log left out up to"), default=0
    )  # its middle, up to here, was left out
    log_left_out = models.PositiveBigIntegerField(_("lines left out"), default=0)  # lines of that middle

    class Meta:
        ordering = ["id"]
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        indexes = [models.Index(fields=["ended_at"], name="attempt_ended")]
        constraints = [models.UniqueConstraint(fields=["task", "attempt"], name="attempt_once")]

    def __str__(self) -> str:
        return gettext("%(task)s, attempt %(number)d") % {"task": self.task, "number": self.attempt}
