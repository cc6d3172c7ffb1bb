"""Files that organizations bring along: logos for their hotspots, archives of their own documents."""

from __future__ import annotations

import secrets
import uuid

from django.core.files.storage import Storage, storages
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from imager.accounts.models import Organization, User


def shelf() -> Storage:
    """Where they lie. Nothing in it is served but by `orders.views.uploads`."""
    return storages["uploads"]


def upload_key() -> str:
    """A part of an address that cannot be guessed."""
    return secrets.token_urlsafe(32)


def shelf_name(upload: Upload, _filename: str) -> str:
    """The name on the shelf: ours alone, nothing of what people call their files."""
    return f"{upload.kind}/{upload.pk.hex}"


class Upload(models.Model):
    """A file that was checked and never changes again. Whoever knows its key may fetch it: creator hosts."""

    class Kind(models.TextChoices):
        LOGO = "logo", _("logo")
        FAVICON = "favicon", _("square logo")
        ZIP = "zip", _("archive")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(
        Organization, models.PROTECT, related_name="uploads", verbose_name=_("organization")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    name = models.CharField(_("name"), max_length=100)
    file = models.FileField(_("file"), upload_to=shelf_name, storage=shelf, max_length=60)
    size = models.PositiveBigIntegerField(_("size in bytes"))
    unpacked = models.PositiveBigIntegerField(_("unpacked, in bytes"))
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    key = models.CharField(_("key"), max_length=43, default=upload_key, unique=True, editable=False)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="+", verbose_name=_("created by")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        verbose_name = _("upload")
        verbose_name_plural = _("uploads")

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> str:
        """Where creator hosts fetch it, below PUBLIC_URL. A secret: it stands in recipes alone."""
        return reverse("upload", args=[self.key])
