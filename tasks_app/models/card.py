"""Cards that were written."""

from __future__ import annotations

import secrets

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from tasks_app.models.host import Host
from tasks_app.models.lot import Lot
from tasks_app.models.slot import Slot
from tasks_app.models.task import Task


def certificate_key() -> str:
    """A part of an address that cannot be guessed: serial numbers can."""
    return secrets.token_urlsafe(12)


class Card(models.Model):
    """A physical card that was written for a unit of an order, or that turned out bad."""

    class Verdict(models.TextChoices):
        WRITING = "writing", _("being written")
        ACCEPTED = "accepted", _("verified")
        BAD = "bad", _("bad")
        ABANDONED = "abandoned", _("abandoned")

    serial = models.CharField(_("serial number"), max_length=20, unique=True)
    certificate_key = models.CharField(
        _("key of the certificate"), max_length=32, default=certificate_key, unique=True, editable=False
    )
    verdict = models.CharField(_("verdict"), max_length=10, choices=Verdict.choices, default=Verdict.WRITING)
    task = models.ForeignKey(Task, models.PROTECT, related_name="cards", verbose_name=_("task"))
    attempt = models.PositiveIntegerField(_("attempt"))
    order = models.ForeignKey("orders.Order", models.PROTECT, related_name="cards", verbose_name=_("order"))
    unit = models.PositiveSmallIntegerField(_("unit"))
    host = models.ForeignKey(Host, models.PROTECT, related_name="cards", verbose_name=_("host"))
    slot = models.ForeignKey(Slot, models.PROTECT, related_name="cards", verbose_name=_("slot"))
    lot = models.ForeignKey(
        Lot, models.PROTECT, null=True, blank=True, related_name="cards", verbose_name=_("lot")
    )
    diskseq = models.BigIntegerField(_("insertion"), null=True)
    boot_id = models.CharField(_("start of the host"), max_length=64, blank=True)
    identity = models.CharField(_("identity"), max_length=100, blank=True)  # see services.suspicion.identify
    stamp = models.CharField(_("stamp"), max_length=32, blank=True)  # what this writing left on the card
    card_bytes = models.PositiveBigIntegerField(_("size of the card"), default=0)
    written_bytes = models.PositiveBigIntegerField(_("written"), default=0)
    write_rate = models.FloatField(_("writing, bytes per second"), null=True)
    read_rate = models.FloatField(_("reading, bytes per second"), null=True)
    facts = models.JSONField(_("facts"), default=dict)  # contract.CardResult, or the `step` in which it ended
    trouble = models.JSONField(_("trouble"), null=True)
    permitted_at = models.DateTimeField(_("permitted"), auto_now_add=True)
    ended_at = models.DateTimeField(_("ended"), null=True)

    class Meta:
        ordering = ["-permitted_at"]
        verbose_name = _("card")
        verbose_name_plural = _("cards")
        constraints = [
            models.UniqueConstraint(fields=["task", "attempt"], name="card_once_per_attempt"),
            models.UniqueConstraint(
                fields=["order", "unit"], condition=Q(verdict="accepted"), name="card_accepted_once_per_unit"
            ),
            models.UniqueConstraint(
                fields=["slot", "boot_id", "diskseq"],
                condition=Q(verdict__in=["accepted", "writing"]),
                name="card_insertion_once",
            ),
            models.CheckConstraint(condition=Q(unit__gte=1), name="card_unit"),
        ]
        indexes = [
            models.Index(fields=["identity"], name="card_identity"),
            models.Index(fields=["stamp"], condition=~Q(stamp=""), name="card_stamp"),
            models.Index(fields=["slot", "-ended_at"], name="card_slot_ended"),
            models.Index(fields=["ended_at"], name="card_ended"),
            models.Index(fields=["permitted_at"], name="card_permitted"),
            models.Index(fields=["verdict", "-permitted_at"], name="card_list_of_verdict"),
        ]

    def __str__(self) -> str:
        return self.serial
