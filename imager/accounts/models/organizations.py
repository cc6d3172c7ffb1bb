"""Who orders, in which language, and which hosts work for them."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class Language(models.TextChoices):
    """Languages of pages and mails."""

    EN = "en", "English"
    FR = "fr", "Français"


class Destinations(models.Model):
    """Where new images are kept. An organization's own choice goes before its channel's; else the site's."""

    warehouse = models.ForeignKey(
        "warehouse.Warehouse",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("warehouse for cards"),
        help_text=_("Where images of physical orders are kept. Empty: wherever images go by default."),
    )
    public_warehouse = models.ForeignKey(
        "warehouse.Warehouse",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("warehouse for downloads"),
        help_text=_("Where images of downloads are kept. Empty: wherever images go by default."),
    )

    class Meta:
        abstract = True


class Channel(Destinations):
    """A production line: its hosts build and write only for organizations of this channel."""

    slug = models.SlugField(_("slug"), max_length=50, unique=True)
    name = models.CharField(_("name"), max_length=100)
    active = models.BooleanField(_("active"), default=True)
    private = models.BooleanField(_("private"), default=False)
    sender_name = models.CharField(_("sender's name"), max_length=100, blank=True)
    sender_address = models.TextField(_("sender's address"), blank=True)
    sender_email = models.EmailField(_("sender's e-mail"), blank=True)

    class Meta:
        ordering = ["slug"]
        verbose_name = _("channel")
        verbose_name_plural = _("channels")

    def __str__(self) -> str:
        return self.name


class Organization(Destinations):
    """Who orders. Everything a member sees belongs to the organization."""

    slug = models.SlugField(_("slug"), max_length=50, unique=True)
    name = models.CharField(_("name"), max_length=100)
    email = models.EmailField(_("e-mail"), blank=True)
    language = models.CharField(_("language"), max_length=5, choices=Language.choices, default=Language.EN)
    channel = models.ForeignKey(
        Channel, models.PROTECT, related_name="organizations", verbose_name=_("channel")
    )
    active = models.BooleanField(
        _("active"),
        default=True,
        help_text=_("Members of an inactive organization cannot log in; its orders go on until canceled."),
    )
    limited = models.BooleanField(
        _("limited units"),
        default=True,
        help_text=_("Orders need units that staff granted. Otherwise they are only counted."),
    )
    max_open_orders = models.PositiveSmallIntegerField(
        _("open orders"),
        null=True,
        blank=True,
        help_text=_("How many orders may be under way at a time; empty: any number."),
    )
    max_open_orders_per_member = models.PositiveSmallIntegerField(
        _("open orders per member"), null=True, blank=True, help_text=_("Empty: any number.")
    )
    max_quantity = models.PositiveSmallIntegerField(
        _("cards per order"),
        null=True,
        blank=True,
        help_text=_("Empty: as many as the service allows for everybody."),
    )
    download_days = models.PositiveSmallIntegerField(
        _("days of downloads"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(366)],
        help_text=_("How long links of its downloads work. Empty: as long as everybody's."),
    )
    can_brand = models.BooleanField(
        _("may brand"),
        default=False,
        help_text=_("Its hotspots may have a name and logos of their own."),
    )
    beta_is_active = models.BooleanField(
        _("beta features"), default=False, help_text=_("Its configurations may ask for what is being tried.")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("organization")
        verbose_name_plural = _("organizations")

    def __str__(self) -> str:
        return self.name
