"""Orders: frozen configurations on their way, and their history."""

from __future__ import annotations

import secrets
import uuid

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from imager.accounts.models import Organization, User
from imager.lifecycle import Move
from orders import recipients
from orders.lifecycle import STAGES, OrderStatus
from orders.models.configurations import Configuration
from orders.models.media import Media
from orders.models.searching import OrderQuerySet, order_words

MAX_QUANTITY = 10


class NextNumber(models.Func):
    """The next order number: short, for people to say on the phone."""

    function = "nextval"
    template = "nextval('orders_order_number')"
    arity = 0
    output_field = models.BigIntegerField()


def download_token() -> str:
    """An address that cannot be guessed."""
    return secrets.token_urlsafe(24)


class Priority(models.IntegerChoices):
    """Whose work is done first: the lower the number, the sooner."""

    URGENT = 10, _("urgent")
    NORMAL = 100, _("normal")
    LOW = 200, _("low")


class Order(models.Model):
    """A frozen configuration, on its way to cards or to a download."""

    class Kind(models.TextChoices):
        PHYSICAL = "physical", _("SD cards")
        VIRTUAL = "virtual", _("download")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.BigIntegerField(_("number"), unique=True, editable=False, db_default=NextNumber())
    organization = models.ForeignKey(
        Organization, models.PROTECT, related_name="orders", verbose_name=_("organization")
    )
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="orders", verbose_name=_("ordered by")
    )
    created_at = models.DateTimeField(_("ordered"), auto_now_add=True)
    status = models.CharField(
        _("status"), max_length=20, choices=OrderStatus.choices, default=OrderStatus.PLACED
    )
    priority = models.SmallIntegerField(
        _("priority"),
        choices=Priority.choices,
        default=Priority.NORMAL,
        db_default=Priority.NORMAL,
        help_text=_("Its work is done before that of orders with a lesser one."),
    )
    failed_stage = models.CharField(_("failed while"), max_length=20, blank=True)
    failure = models.TextField(_("failure"), blank=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    media = models.ForeignKey(Media, models.PROTECT, related_name="orders", verbose_name=_("media"))
    quantity = models.PositiveSmallIntegerField(
        _("quantity"), default=1, validators=[MinValueValidator(1), MaxValueValidator(MAX_QUANTITY)]
    )
    units = models.PositiveIntegerField(_("units"), default=0, editable=False)  # what it costs, frozen
    configuration = models.ForeignKey(
        Configuration, models.SET_NULL, null=True, related_name="orders", verbose_name=_("configuration")
    )
    name = models.CharField(_("name"), max_length=100)
    image_name = models.CharField(_("file name"), max_length=100)
    recipe = models.TextField(_("recipe"), editable=False)  # holds the passwords: never shown, never logged
    contents = models.JSONField(
        _("contents"), default=list, editable=False
    )  # [{title, path, size}] as ordered
    image_bytes = models.PositiveBigIntegerField(_("size of the image"), default=0)
    recipient_name = models.CharField(_("recipient"), max_length=100, blank=True)
    recipient_email = models.EmailField(_("recipient's e-mail"), blank=True)
    recipient_phone = models.CharField(_("phone"), max_length=30, blank=True)
    recipient_address = models.TextField(_("address"), blank=True)
    recipient_postal_code = models.CharField(_("postal code"), max_length=20, blank=True)
    recipient_city = models.CharField(_("city"), max_length=100, blank=True)
    recipient_country = models.CharField(_("country"), max_length=2, blank=True)
    tracking = models.CharField(_("tracking"), max_length=200, blank=True)
    shipped_at = models.DateTimeField(_("shipped"), null=True, blank=True)
    download_token = models.CharField(
        _("key of the download"), max_length=40, default=download_token, unique=True, editable=False
    )
    expires_at = models.DateTimeField(_("download expires"), null=True, blank=True)
    idempotency_key = models.CharField(
        _("Idempotency-Key"), max_length=100, null=True, blank=True, editable=False
    )
    request_digest = models.CharField(_("digest of the request"), max_length=64, blank=True, editable=False)

    objects = OrderQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        permissions = [  # for staff; members do what they may within their organization
            ("cancel_order", "Can cancel orders"),
            ("retry_order", "Can retry orders"),
            ("ship_order", "Can ship orders"),
            ("readdress_order", "Can change where orders go"),
            ("prioritize_order", "Can change the priority of orders"),
            ("export_order", "Can export orders"),
            ("see_statistics", "Can see statistics"),
        ]
        indexes = [
            models.Index(fields=["organization", "-created_at"], name="order_list"),
            models.Index(fields=["organization", "-number"], name="order_list_by_number"),
            models.Index(fields=["organization", "status", "-number"], name="order_list_of_own_status"),
            models.Index(fields=["status", "-number"], name="order_list_of_status"),
            models.Index(fields=["kind", "-number"], name="order_list_of_kind"),
            models.Index(fields=["created_at"], name="order_created"),  # statistics, exports of a time
            GinIndex(OpClass(Upper(order_words()), "gin_trgm_ops"), name="order_words"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "idempotency_key"], name="order_once_per_idempotency_key"
            ),
            models.CheckConstraint(condition=Q(status__in=OrderStatus.values), name="order_status_known"),
            models.CheckConstraint(
                condition=Q(quantity__gte=1, quantity__lte=MAX_QUANTITY), name="order_quantity"
            ),
            models.CheckConstraint(
                condition=Q(kind="physical") | Q(quantity=1), name="order_download_is_one"
            ),
            models.CheckConstraint(
                condition=~Q(status="failed") | Q(failed_stage__in=[str(stage) for stage in STAGES]),
                name="order_failed_somewhere",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.number}"

    def get_absolute_url(self) -> str:
        """The order's page."""
        return reverse("order", args=[self.pk])

    @property
    def recipient_lines(self) -> list[str]:
        """As on the parcel, between name and country."""
        return recipients.lines(self.recipient_address, self.recipient_postal_code, self.recipient_city)


class OrderMove(Move):
    """The history of an order."""

    subject = models.ForeignKey(Order, models.CASCADE, related_name="moves", verbose_name=_("order"))

    class Meta(Move.Meta):
        verbose_name = _("move of an order")
        verbose_name_plural = _("moves of orders")
