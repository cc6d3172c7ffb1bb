"""The catalogue: what can be put on a card, and where it was found."""

from __future__ import annotations

import unicodedata
from typing import Any, Final

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from orders import validators

MAX_SEARCH: Final = 2000


def plain(text: str) -> str:
    """As it is searched: without accents, small letters, single spaces."""
    apart = unicodedata.normalize("NFKD", text)
    return " ".join("".join(c for c in apart if not unicodedata.combining(c)).lower().split())


class Source(models.TextChoices):
    """Who keeps an entry of the catalogue up to date."""

    STAFF = "", _("our staff")
    ZIMS = "zims", _("library of sites (OPDS)")
    APPS = "apps", _("app catalogue")


class ContentQuerySet(models.QuerySet["Content"]):
    """What can be asked of the catalogue."""

    def available(self) -> ContentQuerySet:
        """What can be ordered."""
        return self.filter(active=True, missing_since=None)

    def unavailable(self) -> ContentQuerySet:
        """What was withdrawn by staff, or vanished from where it came from."""
        return self.exclude(active=True, missing_since=None)


class Content(models.Model):
    """An entry of the catalogue: a site, files or an app that can be put on a card, in its newest edition.

    Sites are known by `publisher:name:flavour`, whatever their edition; apps by their domain.
    """

    class Kind(models.TextChoices):
        ZIM = "zim", _("offline site (ZIM)")
        FILES = "files", _("files")
        APP = "app", _("learning tool")

    ident = models.CharField(_("identifier"), max_length=250, unique=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.ZIM)
    title = models.CharField(_("title"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    publisher = models.CharField(_("publisher"), max_length=100, blank=True)
    name = models.CharField(_("name"), max_length=150, blank=True)
    flavour = models.CharField(_("flavour"), max_length=50, blank=True)
    category = models.CharField(_("category"), max_length=60, blank=True)
    tags = ArrayField(models.CharField(max_length=100), verbose_name=_("tags"), default=list, blank=True)
    languages = ArrayField(
        models.CharField(max_length=10),
        verbose_name=_("languages"),
        default=list,
        blank=True,
        help_text=_("ISO 639-3 codes, separated by commas. Example: fra,bam"),
    )
    articles = models.PositiveBigIntegerField(_("articles"), null=True, blank=True)
    medias = models.PositiveBigIntegerField(_("pictures, sounds and videos"), null=True, blank=True)

    version = models.CharField(_("version"), max_length=50, blank=True)
    issued = models.DateField(_("date"), null=True, blank=True)
    edition = models.CharField(_("identifier of the edition"), max_length=100, blank=True)

    url = models.URLField(_("address"), max_length=500, blank=True, validators=[validators.content_url])
    path = models.CharField(
        _("path on the card"), max_length=300, blank=True, validators=[validators.card_path]
    )
    size = models.PositiveBigIntegerField(_("size in bytes"))
    exact = models.BooleanField(
        _("exact size"), default=True, help_text=_("Feeds of sites tell sizes in whole KiB.")
    )
    sha256 = models.CharField(_("SHA-256"), max_length=64, blank=True, validators=[validators.sha256])
    package = models.JSONField(_("entry of the app catalogue"), default=dict, blank=True)
    illustration_url = models.CharField(_("address of the picture"), max_length=500, blank=True)

    active = models.BooleanField(_("active"), default=True)
    source = models.CharField(_("kept by"), max_length=10, choices=Source.choices, blank=True, editable=False)
    fingerprint = models.CharField(_("fingerprint"), max_length=64, blank=True, editable=False)
    missing_since = models.DateTimeField(_("missing since"), null=True, editable=False)
    search = models.CharField(_("searched words"), max_length=MAX_SEARCH, blank=True, editable=False)

    objects = ContentQuerySet.as_manager()

    class Meta:
        ordering = ["title"]
        verbose_name = _("content")
        verbose_name_plural = _("contents")
        constraints = [
            models.UniqueConstraint(
                fields=["path"],
                condition=Q(active=True, missing_since=None) & ~Q(path=""),
                name="content_path_once",
            ),
        ]
        indexes = [
            GinIndex(fields=["search"], opclasses=["gin_trgm_ops"], name="content_search"),
            models.Index(fields=["kind", "title", "id"], name="content_by_kind"),
            models.Index(fields=["name"], name="content_by_name"),
        ]

    def __str__(self) -> str:
        return self.title

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Keep what is searched up to date."""
        self.search = self.searched()
        super().save(*args, **kwargs)

    def searched(self) -> str:
        """The words that find it."""
        words = [self.title, self.name, self.description, self.publisher, self.flavour, self.category]
        return plain(" ".join([*words, *self.tags]))[:MAX_SEARCH]

    @property
    def available(self) -> bool:
        """Whether it can be ordered."""
        return self.active and self.missing_since is None


class Edition(models.Model):
    """An edition of a content that the catalogue has named, so that old orders can be read."""

    content = models.ForeignKey(Content, models.CASCADE, related_name="editions", verbose_name=_("content"))
    edition = models.CharField(_("identifier of the edition"), max_length=100)
    version = models.CharField(_("version"), max_length=50, blank=True)
    issued = models.DateField(_("date"), null=True)
    url = models.CharField(_("address"), max_length=500, blank=True)
    size = models.PositiveBigIntegerField(_("size in bytes"))
    seen_at = models.DateTimeField(_("first seen"), auto_now_add=True)

    class Meta:
        ordering = ["-seen_at", "-id"]
        verbose_name = _("edition")
        verbose_name_plural = _("editions")
        constraints = [models.UniqueConstraint(fields=["content", "edition"], name="edition_once")]

    def __str__(self) -> str:
        return self.version or self.edition


class Feed(models.Model):
    """Where a part of the catalogue comes from, and how the last look at it ended."""

    source = models.CharField(_("source"), max_length=10, choices=Source.choices, unique=True)
    url = models.CharField(_("address"), max_length=500, blank=True)
    etag = models.CharField(_("ETag of the feed"), max_length=200, blank=True)
    last_modified = models.CharField(_("last change of the feed"), max_length=100, blank=True)
    checked_at = models.DateTimeField(_("last look"), null=True)
    taken_at = models.DateTimeField(_("last good look"), null=True)
    entries = models.PositiveIntegerField(_("entries"), default=0)
    outcome = models.TextField(_("outcome"), blank=True)
    bad = models.JSONField(_("entries that could not be taken"), default=list)

    class Meta:
        ordering = ["source"]
        verbose_name = _("feed")
        verbose_name_plural = _("feeds")

    def __str__(self) -> str:
        return str(self.get_source_display())
