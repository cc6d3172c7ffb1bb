"""The catalogue: what can be put on a card."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from orders import validators


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
