"""Saving configurations: each save is kept as a version, and nobody overwrites what they have not seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from imager import clock
from imager.accounts.models import User
from orders import branding
from orders.models import UPLOADS, Configuration, ConfigurationVersion, Content

PLAIN: Final = (
    "name",
    "ssid",
    "domain",
    "wifi_password",
    "admin_account",
    "admin_password",
    "language",
    "timezone",
    "variant",
    "content_metrics",
    "option_kiwix_readers",
    "preload_url",
    "preload_bytes",
    "beta_features",
    "per_card",
)
NAME: Final = 100


class Stale(Exception):
    """Somebody else saved it in the meantime. `newest` is what is there now."""

    def __init__(self, newest: Configuration) -> None:
        self.newest = newest
        words = {"by": newest.updated_by or _("somebody"), "version": newest.version}
        super().__init__(
            _("%(by)s has saved version %(version)s since you opened it. Compare, then save again.") % words
        )


@transaction.atomic
def keep(
    configuration: Configuration,
    *,
    by: User,
    contents: Iterable[Content] | None = None,
    seen: int | None = None,
    note: str = "",
) -> Configuration:
    """Save it as a new version; `seen` is the version that the changes were made from. Raises Stale.

    Call it with valid values. What the organization may not brand gets its default.
    """
    if configuration.pk:
        _hold(configuration, seen)
    else:
        configuration.created_by = by
    branding.unbrand(configuration)
    branding.leave_betas(configuration, settings.BETA_FEATURES)
    configuration.updated_by = by
    configuration.save()
    if contents is not None:
        configuration.contents.set(contents)
    return record(configuration, by=by, note=note)


def _hold(configuration: Configuration, seen: int | None) -> None:
    row = Configuration.objects.select_for_update(of=("self",)).get(pk=configuration.pk)
    if seen is not None and row.version != seen:
        raise Stale(row)
    configuration.version = row.version
    configuration.deleted_at = row.deleted_at  # deleted meanwhile, it stays so
    if not row.versions.filter(number=row.version).exists():  # from before versions were kept
        row.versions.create(number=row.version, values=values_of(row), saved_by=row.updated_by)


def record(configuration: Configuration, *, by: User | None, note: str = "") -> Configuration:
    """Keep what is in the database now as the newest version, unless it is what the last one says."""
    last = configuration.versions.order_by("-number").first()
    values = values_of(configuration)
    if last is None or completed(last.values) != values:
        configuration.version = last.number + 1 if last else configuration.version + 1
        Configuration.objects.filter(pk=configuration.pk).update(version=configuration.version)
        configuration.versions.create(number=configuration.version, values=values, note=note, saved_by=by)
    return configuration


def values_of(configuration: Configuration) -> dict[str, Any]:
    """All that people have set, as JSON. It holds the passwords."""
    values: dict[str, Any] = {name: getattr(configuration, name) for name in PLAIN}
    values["language"] = str(configuration.language)
    for name in UPLOADS:
        key = getattr(configuration, f"{name}_id")
        values[name] = str(key) if key else None
    rows = configuration.contents.order_by("ident").values_list("ident", "title")
    values["contents"] = dict(rows)
    return values


def completed(values: Mapping[str, Any]) -> dict[str, Any]:
    """With what did not exist yet when they were kept, as it was then: not used."""
    unused = Configuration()
    return {**{name: getattr(unused, name) for name in PLAIN}, **values}


def restore(
    configuration: Configuration, version: ConfigurationVersion, *, by: User, seen: int | None = None
) -> list[str]:
    """Make an old version the newest one. Returns the titles of contents that are no more. Raises Stale."""
    values = completed(version.values)
    for name in PLAIN:
        setattr(configuration, name, values[name])
    kept = configuration.organization.uploads.in_bulk([UUID(values[n]) for n in UPLOADS if values.get(n)])
    for name in UPLOADS:
        setattr(configuration, name, kept.get(UUID(values[name])) if values.get(name) else None)
    wanted: dict[str, str] = values["contents"]
    found = {content.ident: content for content in Content.objects.filter(ident__in=wanted)}
    note = _("as in version %(number)s") % {"number": version.number}
    keep(configuration, by=by, contents=found.values(), seen=seen, note=note)
    return [title for ident, title in wanted.items() if ident not in found]


def duplicate(configuration: Configuration, *, by: User) -> Configuration:
    """A copy of it with all that belongs to it, but its history."""
    suffix = _(" (Duplicate)")
    copy = Configuration(
        organization=configuration.organization,
        **{name: getattr(configuration, name) for name in (*PLAIN, *UPLOADS)},
    )
    copy.name = configuration.name[: NAME - len(suffix)] + suffix
    note = _("copied from “%(name)s”") % {"name": configuration.name}
    return keep(copy, by=by, contents=configuration.contents.all(), note=note)


def delete(configuration: Configuration) -> None:
    """Out of all lists; `undelete` takes it back for 30 days. Orders keep what they were placed with."""
    Configuration.objects.present().filter(pk=configuration.pk).update(deleted_at=clock.now())


def undelete(configuration: Configuration) -> None:
    """Back into the lists, as it was."""
    Configuration.objects.deleted().filter(pk=configuration.pk).update(deleted_at=None)
