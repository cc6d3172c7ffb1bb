"""Hotspots as people describe them."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from imager.accounts.models import Language, Organization, User
from orders import validators
from orders.models.contents import Content


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
