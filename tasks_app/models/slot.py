"""Card readers of writer hosts."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from tasks_app.models.host import Host


class Slot(models.Model):
    """A named card reader of a writer host, and the card that is in it now, as the host last said."""

    host = models.ForeignKey(Host, models.CASCADE, related_name="slots")
    name = models.CharField(_("name"), max_length=20)
    disabled = models.BooleanField(_("disabled"), default=False)
    present = models.BooleanField(_("card present"), default=False)
    card_bytes = models.PositiveBigIntegerField(_("size of the card"), default=0)
    diskseq = models.BigIntegerField(null=True)
    boot_id = models.CharField(max_length=64, blank=True)
    model = models.CharField(_("reader"), max_length=200, blank=True)
    contents = models.CharField(_("what is on the card"), max_length=500, blank=True)
    problem = models.CharField(_("problem"), max_length=500, blank=True)
    used_diskseq = models.BigIntegerField(
        null=True
    )  # the insertion that was last written: occupied until it is removed
    used_boot_id = models.CharField(max_length=64, blank=True)
    seen_at = models.DateTimeField(_("last seen"), null=True)

    class Meta:
        ordering = ["host", "name"]
        verbose_name = _("slot")
        verbose_name_plural = _("slots")
        constraints = [models.UniqueConstraint(fields=["host", "name"], name="slot_name_once_per_host")]

    def __str__(self) -> str:
        return f"{self.host}/{self.name}"

    @property
    def used(self) -> bool:
        """Whether the card in the slot was written already and must be taken out first."""
        return (
            self.present
            and self.diskseq is not None
            and (self.diskseq, self.boot_id) == (self.used_diskseq, self.used_boot_id)
        )
