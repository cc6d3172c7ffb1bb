"""Hotspots as people describe them."""

from __future__ import annotations

from typing import Final

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from imager.accounts.models import Language, Organization, User
from orders import validators
from orders.models.contents import Content
from orders.models.uploads import Upload

DEFAULT_SSID: Final = "Kiwix Hotspot"
DEFAULT_DOMAIN: Final = "kiwix"
UPLOADS: Final = {  # the fields that hold one, and of which kind it is
    "branding_logo": Upload.Kind.LOGO,
    "branding_favicon": Upload.Kind.FAVICON,
    "preload_zip": Upload.Kind.ZIP,
}


class ConfigurationQuerySet(models.QuerySet["Configuration"]):
    """What can be asked of configurations."""

    def present(self) -> ConfigurationQuerySet:
        """Those that were not deleted."""
        return self.filter(deleted_at=None)

    def deleted(self) -> ConfigurationQuerySet:
        """Those that can be taken back, the last one first."""
        return self.exclude(deleted_at=None).order_by("-deleted_at", "-pk")


class Configuration(models.Model):
    """A hotspot, described by the people of an organization. `version` counts its saves."""

    class Variant(models.TextChoices):
        """Editions of the hotspot; names of products, the same in each language."""

        DEMO = "Demo", "Demo"
        PREPPERS = "Preppers", "Preppers"
        PREPPERS_PREMIUM = "Preppers Premium", "Preppers Premium"
        COMPUTER = "Computer", "Computer"
        MEDICAL = "Medical", "Medical"
        WIKIPEDIA_EN = "Wikipedia EN", "Wikipedia EN"

    organization = models.ForeignKey(
        Organization, models.PROTECT, related_name="configurations", verbose_name=_("organization")
    )
    name = models.CharField(_("name"), max_length=100, help_text=_("For you; not shown on the hotspot."))
    ssid = models.CharField(
        _("Wi-Fi name (SSID)"), max_length=32, default=DEFAULT_SSID, validators=[validators.ssid]
    )
    domain = models.CharField(
        _("domain"),
        max_length=32,
        default=DEFAULT_DOMAIN,
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
    variant = models.CharField(_("edition"), max_length=20, choices=Variant.choices, blank=True, default="")
    branding_logo = models.ForeignKey(
        Upload, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("logo")
    )
    branding_favicon = models.ForeignKey(
        Upload, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("square logo")
    )
    contents = models.ManyToManyField(
        Content, blank=True, related_name="configurations", verbose_name=_("contents")
    )
    content_metrics = models.BooleanField(
        _("count the visits"),
        default=False,
        help_text=_("A page of the hotspot shows what is read how often."),
    )
    option_kiwix_readers = models.BooleanField(
        _("Kiwix readers"),
        default=False,
        help_text=_("Visitors can install a reader for Windows, macOS, Linux or Android from the hotspot."),
    )
    preload_url = models.URLField(
        _("address of a ZIP archive"),
        max_length=500,
        blank=True,
        validators=[validators.preload_url],
        help_text=_("Its files will lie in the File Manager of the hotspot."),
    )
    preload_bytes = models.PositiveBigIntegerField(
        _("size of the ZIP archive"), default=0, editable=False
    )  # as its server told
    preload_zip = models.ForeignKey(
        Upload, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("ZIP archive")
    )
    beta_features = ArrayField(
        models.CharField(max_length=50), verbose_name=_("beta features"), default=list, blank=True
    )
    per_card = models.JSONField(
        _("files of each card"),
        default=list,
        db_default=[],
        blank=True,
        validators=[validators.per_card],
    )  # {"to": path on the boot partition, "content": what it says}
    version = models.PositiveIntegerField(_("version"), default=0, editable=False)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", verbose_name=_("created by")
    )
    updated_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", editable=False, verbose_name=_("changed by")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)
    deleted_at = models.DateTimeField(_("deleted"), null=True, editable=False)

    objects = ConfigurationQuerySet.as_manager()

    class Meta:
        ordering = ["-updated_at"]
        verbose_name = _("configuration")
        verbose_name_plural = _("configurations")
        indexes = [models.Index(fields=["organization", "-updated_at"], name="configuration_list")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(preload_url="") | models.Q(preload_zip=None), name="one_preload"
            )
        ]

    def __str__(self) -> str:
        return self.name


class ConfigurationVersion(models.Model):
    """What was saved once, whole, with its passwords. Never changes."""

    configuration = models.ForeignKey(
        Configuration, models.CASCADE, related_name="versions", verbose_name=_("configuration")
    )
    number = models.PositiveIntegerField(_("version"))
    values = models.JSONField(_("values"))
    note = models.CharField(_("note"), max_length=200, blank=True)
    saved_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", verbose_name=_("saved by")
    )
    saved_at = models.DateTimeField(_("saved"), auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        verbose_name = _("version of a configuration")
        verbose_name_plural = _("versions of configurations")
        constraints = [
            models.UniqueConstraint(fields=["configuration", "number"], name="configuration_version_once")
        ]

    def __str__(self) -> str:
        return f"{self.configuration_id}/{self.number}"
