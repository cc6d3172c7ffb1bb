"""What people describe and order: media, contents, configurations, orders."""

from __future__ import annotations

import secrets
import uuid

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from imager.accounts.models import Language, Organization, User
from imager.lifecycle import Move
from orders import validators
from orders.lifecycle import STAGES, OrderStatus

MAX_QUANTITY = 10


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


class Content(models.Model):
    """An entry of the catalogue: a file that can be put on a card."""

    class Kind(models.TextChoices):
        ZIM = "zim", _("offline site (ZIM)")
        FILES = "files", _("files")

    ident = models.CharField(_("identifier"), max_length=150, unique=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.ZIM)
    title = models.CharField(_("title"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    language = models.CharField(_("language"), max_length=10, blank=True)
    url = models.URLField(_("address"), max_length=500, validators=[validators.content_url])
    path = models.CharField(_("path on the card"), max_length=300, validators=[validators.card_path])
    size = models.PositiveBigIntegerField(_("size in bytes"))
    sha256 = models.CharField(_("SHA-256"), max_length=64, blank=True, validators=[validators.sha256])
    active = models.BooleanField(_("active"), default=True)

    class Meta:
        ordering = ["title"]
        verbose_name = _("content")
        verbose_name_plural = _("contents")
        constraints = [
            models.UniqueConstraint(fields=["path"], condition=Q(active=True), name="content_path_once")
        ]

    def __str__(self) -> str:
        return self.title


class Configuration(models.Model):
    """A hotspot, described by the people of an organization."""

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="configurations")
    name = models.CharField(_("name"), max_length=100, help_text=_("For you; not shown on the hotspot."))
    ssid = models.CharField(
        _("Wi-Fi name (SSID)"), max_length=32, default="Kiwix Hotspot", validators=[validators.ssid]
    )
    domain = models.CharField(
        _("domain"),
        max_length=32,
        default="kiwix",
        validators=[validators.hostname],
        help_text=_("The landing page will be http://DOMAIN.hotspot"),
    )
    wifi_password = models.CharField(
        _("Wi-Fi password"),
        max_length=63,
        blank=True,
        validators=[validators.wifi_password],
        help_text=_("8 to 63 characters; leave empty for an open network."),
    )
    admin_account = models.CharField(
        _("admin account"), max_length=31, default="admin", validators=[validators.account]
    )
    admin_password = models.CharField(
        _("admin password"), max_length=31, validators=[validators.admin_password]
    )
    language = models.CharField(_("language"), max_length=5, choices=Language.choices, default=Language.EN)
    timezone = models.CharField(
        _("time zone"), max_length=60, default="UTC", validators=[validators.timezone_name]
    )
    contents = models.ManyToManyField(
        Content, blank=True, related_name="configurations", verbose_name=_("contents")
    )
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        ordering = ["-updated_at"]
        verbose_name = _("configuration")
        verbose_name_plural = _("configurations")

    def __str__(self) -> str:
        return self.name


class NextNumber(models.Func):
    """The next order number: short, for people to say on the phone."""

    function = "nextval"
    template = "nextval('orders_order_number')"
    arity = 0
    output_field = models.BigIntegerField()


def download_token() -> str:
    """An address that cannot be guessed."""
    return secrets.token_urlsafe(24)


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
    failed_stage = models.CharField(_("failed while"), max_length=20, blank=True)
    failure = models.TextField(_("failure"), blank=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    media = models.ForeignKey(Media, models.PROTECT, related_name="orders", verbose_name=_("media"))
    quantity = models.PositiveSmallIntegerField(
        _("quantity"), default=1, validators=[MinValueValidator(1), MaxValueValidator(MAX_QUANTITY)]
    )
    units = models.PositiveIntegerField(_("units"), default=0, editable=False)  # what it costs, frozen
    configuration = models.ForeignKey(Configuration, models.SET_NULL, null=True, related_name="orders")
    name = models.CharField(_("name"), max_length=100)
    image_name = models.CharField(_("file name"), max_length=100)
    recipe = models.TextField(editable=False)  # holds the passwords: never shown, never logged
    contents = models.JSONField(default=list, editable=False)  # [{title, path, size}] as ordered
    image_bytes = models.PositiveBigIntegerField(_("size of the image"), default=0)
    recipient_name = models.CharField(_("recipient"), max_length=100, blank=True)
    recipient_email = models.EmailField(_("recipient's e-mail"), blank=True)
    recipient_phone = models.CharField(_("phone"), max_length=30, blank=True)
    recipient_address = models.TextField(_("address"), blank=True)
    recipient_country = models.CharField(_("country"), max_length=2, blank=True)
    tracking = models.CharField(_("tracking"), max_length=200, blank=True)
    shipped_at = models.DateTimeField(_("shipped"), null=True, blank=True)
    download_token = models.CharField(max_length=40, default=download_token, unique=True, editable=False)
    expires_at = models.DateTimeField(_("download expires"), null=True, blank=True)
    idempotency_key = models.CharField(max_length=100, null=True, blank=True, editable=False)
    request_digest = models.CharField(max_length=64, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at"]
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        indexes = [models.Index(fields=["organization", "-created_at"], name="order_list")]
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


class OrderMove(Move):
    """The history of an order."""

    subject = models.ForeignKey(Order, models.CASCADE, related_name="moves")

    class Meta(Move.Meta):
        verbose_name = _("move of an order")
        verbose_name_plural = _("moves of orders")
