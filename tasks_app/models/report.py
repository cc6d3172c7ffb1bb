"""What hosts said: events that were taken in, and reports that were refused."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from tasks_app.models.host import Host
from tasks_app.models.task import Task


class TaskEvent(models.Model):
    """An event that was taken in; its id makes a repetition harmless."""

    event_id = models.UUIDField(primary_key=True)
    task = models.ForeignKey(Task, models.CASCADE, related_name="events")
    attempt = models.PositiveIntegerField()
    what = models.CharField(max_length=20)  # outcome, release, permit
    answer = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["at"]
        verbose_name = _("event")
        verbose_name_plural = _("events")

    def __str__(self) -> str:
        return f"{self.what} {self.event_id}"


class RefusedReport(models.Model):
    """A report of an attempt that was no longer current: evidence of a zombie."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="refused_reports", verbose_name=_("task"))
    attempt = models.PositiveIntegerField(_("attempt"))
    host = models.ForeignKey(Host, models.SET_NULL, null=True, verbose_name=_("host"))
    event_id = models.CharField(_("identifier of the report"), max_length=64, blank=True)
    reason = models.CharField(_("reason"), max_length=50)
    body = models.JSONField(_("what it said"), default=dict)
    at = models.DateTimeField(_("at"), auto_now_add=True)

    class Meta:
        ordering = ["-at"]
        verbose_name = _("refused report")
        verbose_name_plural = _("refused reports")

    def __str__(self) -> str:
        return f"{self.task_id} {self.attempt} {self.reason}"
