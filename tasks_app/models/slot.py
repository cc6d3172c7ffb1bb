"""Card readers of writer hosts."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from tasks_app.models.host import Host


class Slot(models.Model):
    """A named card reader of a writer host, and the card that is in it now, as the host last said."""

    host = models.ForeignKey(Host, models.CASCADE, related_name="slots", verbose_name=_("host"))
    name = models.CharField(_("name"), max_length=20)
    disabled = models.BooleanField(_("disabled"), default=False)
    present = models.BooleanField(_("card present"), default=False)
    card_bytes = models.PositiveBigIntegerField(_("size of the card"), default=0)
    diskseq = models.BigIntegerField(_("insertion"), null=True)
    boot_id = models.CharField(_("start of the host"), max_length=64, blank=True)
    model = models.CharField(_("reader"), max_length=200, blank=True)
    contents = models.CharField(_("what is on the card"), max_length=500, blank=True)
    problem = models.CharField(_("problem"), max_length=500, blank=True)
    bus = models.JSONField(_("USB bus"), null=True)  # contract.BusFacts
    used_diskseq = models.BigIntegerField(
        _("insertion last written"), null=True
    )  # the insertion that was last written: occupied until it is removed
    used_boot_id = models.CharField(_("start of the host at the last writing"), max_length=64, blank=True)
    seen_at = models.DateTimeField(_("last seen"), null=True)
    quarantined_at = models.DateTimeField(_("quarantined since"), null=True)
    quarantine_note = models.CharField(
        _("why it is quarantined"), max_length=500, blank=True, default="", db_default=""
    )  # beats insert slots without it

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


class SlotEvent(models.Model):
    """A slot was taken out of service for its failures, or somebody let it serve again."""

    class What(models.TextChoices):
        QUARANTINED = "quarantined", _("quarantined")
        RELEASED = "released", _("released")

    slot = models.ForeignKey(Slot, models.CASCADE, related_name="events", verbose_name=_("slot"))
    at = models.DateTimeField(_("at"), auto_now_add=True)
    what = models.CharField(_("what"), max_length=12, choices=What.choices)
    by = models.CharField(_("by"), max_length=254)
    note = models.CharField(_("note"), max_length=500, blank=True)

    class Meta:
        ordering = ["-at"]
        verbose_name = _("event of a slot")
        verbose_name_plural = _("events of slots")

    def __str__(self) -> str:
        return f"{self.slot} {self.get_what_display()}"
