"""What the processes of the server keep: stumbles, pulses, chores."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Stumble(models.Model):
    """A piece of the scheduler's work that failed, and when it is tried again. It goes when that works."""

    job = models.CharField(_("job"), max_length=50)
    subject = models.CharField(_("of what"), max_length=100)
    error = models.TextField(_("error"), blank=True)
    count = models.PositiveIntegerField(_("times"), default=0)
    first_at = models.DateTimeField(_("first"), auto_now_add=True)
    last_at = models.DateTimeField(_("last"), null=True)
    not_before = models.DateTimeField(_("tried again after"))

    class Meta:
        ordering = ["-last_at"]
        verbose_name = _("stumble of the scheduler")
        verbose_name_plural = _("stumbles of the scheduler")
        constraints = [models.UniqueConstraint(fields=["job", "subject"], name="stumble_once_per_subject")]

    def __str__(self) -> str:
        return f"{self.job} {self.subject}"


class Pulse(models.Model):
    """The last sign of life of a process of the server."""

    role = models.CharField(_("process"), max_length=20)
    place = models.CharField(_("where it runs"), max_length=255)
    at = models.DateTimeField(_("at"))

    class Meta:
        ordering = ["role", "place"]
        verbose_name = _("sign of life of the server")
        verbose_name_plural = _("signs of life of the server")
        constraints = [models.UniqueConstraint(fields=["role", "place"], name="pulse_once_per_place")]

    def __str__(self) -> str:
        return f"{self.role} {self.place}"


class Chore(models.Model):
    """Work of every hour or day: the beginning of the last one in which it was done."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    slot = models.DateTimeField(_("done for the time from"), null=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("chore of the scheduler")
        verbose_name_plural = _("chores of the scheduler")

    def __str__(self) -> str:
        return self.name
