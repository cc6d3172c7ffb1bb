"""Where finished images are, and which files there are."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Warehouse(models.Model):
    """A store of images: an FTP server that authenticates by tickets, seen by hosts at `host:port`."""

    slug = models.SlugField(_("slug"), max_length=50, unique=True)
    host = models.CharField(_("host name"), max_length=200)
    port = models.PositiveIntegerField(_("port"))
    tls = models.BooleanField(_("TLS"), default=False)
    local_root = models.CharField(
        _("local folder"),
        max_length=300,
        blank=True,
        help_text=_(
            "Where this server sees the warehouse's folder, if on the same machine; "
            "else downloads go through FTP."
        ),
    )
    secret_hash = models.CharField(
        _("digest of the secret"), max_length=64, editable=False
    )  # SHA-256 of the warehouse's own secret
    active = models.BooleanField(_("active"), default=True)

    class Meta:
        ordering = ["slug"]
        verbose_name = _("warehouse")
        verbose_name_plural = _("warehouses")

    def __str__(self) -> str:
        return self.slug


class StoredFile(models.Model):
    """A file of an image, of one attempt. `owner` is the order's id, `task` the create task's."""

    class Status(models.TextChoices):
        PUBLISHING = "publishing", _("being published")
        PUBLISHED = "published", _("published")
        REMOVED = "removed", _("removed")

    warehouse = models.ForeignKey(
        Warehouse, models.PROTECT, related_name="files", verbose_name=_("warehouse")
    )
    owner = models.UUIDField(_("order"), db_index=True)
    task = models.UUIDField(_("task"))
    attempt = models.PositiveIntegerField(_("attempt"))
    name = models.CharField(_("name"), max_length=150)
    size = models.PositiveBigIntegerField(_("size"))
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    status = models.CharField(_("status"), max_length=12, choices=Status.choices, default=Status.PUBLISHING)
    granted_at = models.DateTimeField(_("granted"), auto_now_add=True)
    published_at = models.DateTimeField(_("published at"), null=True)
    removed_at = models.DateTimeField(_("removed at"), null=True, db_index=True)

    class Meta:
        ordering = ["owner", "name"]
        verbose_name = _("stored file")
        verbose_name_plural = _("stored files")
        indexes = [
            models.Index(fields=["granted_at"], name="file_granted"),
            models.Index(fields=["name"], opclasses=["varchar_pattern_ops"], name="file_name"),
            models.Index(fields=["sha256"], name="file_sha256"),
            models.Index(fields=["owner"], condition=~Q(status="removed"), name="file_present"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["task", "attempt", "name"], name="file_once_per_attempt"),
            models.UniqueConstraint(
                fields=["owner", "name"], condition=Q(status="published"), name="file_published_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> str:
        """Where it lies below the warehouse's root once it is published."""
        return f"images/{self.owner}/{self.name}"
