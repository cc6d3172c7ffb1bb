"""Sizes that can be ordered."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Media(models.Model):
    """A size that can be ordered. `bytes` is what every card of that size really holds."""

    class Kind(models.TextChoices):
        PHYSICAL = "physical", _("SD card")
        VIRTUAL = "virtual", _("download")

    name = models.CharField(_("name"), max_length=50)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    gigabytes = models.PositiveIntegerField(_("size in GB"))
    bytes = models.PositiveBigIntegerField(_("usable bytes"))
    units_per_gigabyte = models.PositiveIntegerField(_("units per GB"), default=1)
    min_write_speed = models.PositiveIntegerField(
        _("slowest writing, MB/s"), default=0, help_text=_("Slower cards are refused; 0 takes any.")
    )
    min_read_speed = models.PositiveIntegerField(
        _("slowest reading, MB/s"), default=0, help_text=_("Slower cards are refused; 0 takes any.")
    )
    active = models.BooleanField(_("active"), default=True)

    class Meta:
        ordering = ["kind", "bytes"]
        verbose_name = _("media")
        verbose_name_plural = _("media")
        constraints = [
            models.UniqueConstraint(fields=["kind", "gigabytes"], name="media_once_per_kind_and_size")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def units(self) -> int:
        """What one piece costs, in units."""
        return self.gigabytes * self.units_per_gigabyte
