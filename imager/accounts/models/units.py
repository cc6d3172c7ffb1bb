"""Units: what orders cost. A ledger that only grows; the last entry of an organization tells its balance."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from imager.accounts.models.organizations import Organization


class UnitEntry(models.Model):
    """A change of what an organization has. Never changed or deleted: a trigger of the database sees to it.

    `units` and `held` are changes, `balance` and `reserved` what they came to. What an order costs is taken
    from the balance and held until the order succeeds (charge) or not (refund); each `round` of an order is
    one way from a reservation to its end: a retry after a failure reserves again.
    """

    class Kind(models.TextChoices):
        GRANT = "grant", _("granted")
        ADJUST = "adjust", _("adjusted")
        RESERVE = "reserve", _("reserved for an order")
        CHARGE = "charge", _("charged for an order")
        REFUND = "refund", _("given back")

    BY_STAFF: ClassVar = (Kind.GRANT, Kind.ADJUST)
    ENDS: ClassVar = (Kind.CHARGE, Kind.REFUND)

    organization = models.ForeignKey(
        Organization, models.PROTECT, related_name="unit_entries", verbose_name=_("organization")
    )
    number = models.PositiveIntegerField(_("entry"))  # 1, 2, 3 … within the organization
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    units = models.BigIntegerField(_("change"))
    held = models.BigIntegerField(_("change of what is reserved"))
    balance = models.BigIntegerField(_("balance"))
    reserved = models.BigIntegerField(_("reserved"))
    limited = models.BooleanField(_("limited"))  # as the organization was at that time
    order = models.ForeignKey(
        "orders.Order",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="unit_entries",
        verbose_name=_("order"),
    )
    round = models.PositiveSmallIntegerField(_("round"), default=0)
    by = models.CharField(_("by"), max_length=254)
    note = models.CharField(_("note"), max_length=300, blank=True)
    at = models.DateTimeField(_("at"), auto_now_add=True)

    class Meta:
        ordering = ["organization", "-number"]
        verbose_name = _("entry of units")
        verbose_name_plural = _("entries of units")
        default_permissions = ("view",)
        permissions = [("grant_units", "Can grant and adjust units")]
        indexes = [
            models.Index(fields=["at"], name="units_at"),
            models.Index(fields=["-at"], condition=Q(kind__in=["grant", "adjust"]), name="units_by_staff"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["organization", "number"], name="units_in_one_line"),
            models.UniqueConstraint(fields=["order", "kind", "round"], name="units_once_per_order_and_kind"),
            models.UniqueConstraint(
                fields=["order", "round"], condition=Q(kind__in=["charge", "refund"]), name="units_end_once"
            ),
            models.CheckConstraint(
                condition=(Q(kind="grant", units__gt=0, held=0) | (Q(kind="adjust", held=0) & ~Q(units=0)))
                & Q(order=None, round=0)
                & ~Q(note="")
                | (
                    Q(kind="reserve", units__lt=0, held=-F("units"))
                    | Q(kind="charge", units=0, held__lt=0)
                    | Q(kind="refund", units__gt=0, held=-F("units"))
                )
                & Q(order__isnull=False, round__gt=0),
                name="units_by_kind",
            ),
            models.CheckConstraint(
                condition=Q(balance__gte=0) | Q(limited=False) | Q(units__gte=0), name="units_never_overdrawn"
            ),
            models.CheckConstraint(condition=Q(reserved__gte=0), name="units_reserved_sensibly"),
        ]

    def __str__(self) -> str:
        return f"{self.organization_id}/{self.number} {self.get_kind_display()} {self.units:+d}"
