"""Whether a host is there, by the database's clock. What it last said is true only while it is online."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from tasks_app.models import Host

SUSPECT_AFTER: Final = timedelta(seconds=settings.TASK_LEASE)
SILENT_AFTER: Final = timedelta(minutes=15)


class Presence(models.TextChoices):
    """What to think of a host. The first that is true, in the order of `presence()`."""

    ONLINE = "online", _("online")
    SUSPECT = "suspect", _("suspect")
    SILENT = "silent", _("silent")
    UNSEEN = "unseen", _("never seen")
    DRAINING = "draining", _("draining")
    DISABLED = "disabled", _("disabled")


def presence(host: Host, at: datetime) -> Presence:
    """The state of the host at `at`. A draining host that has gone is silent; a disabled one is disabled."""
    if host.disabled:
        return Presence.DISABLED
    if host.last_seen_at is None:
        return Presence.UNSEEN
    away = at - host.last_seen_at
    if away > SILENT_AFTER:
        return Presence.SILENT
    if host.draining:
        return Presence.DRAINING
    return Presence.SUSPECT if away > SUSPECT_AFTER else Presence.ONLINE


def online(at: datetime) -> models.Q:
    """The hosts of which `presence()` says online, for a query: a large service has thousands."""
    lately = at - min(SUSPECT_AFTER, SILENT_AFTER)
    return models.Q(disabled=False, draining=False, last_seen_at__gte=lately)


def heard(host: Host, at: datetime) -> bool:
    """Whether the host was heard of so lately that what it said still holds."""
    return host.last_seen_at is not None and at - host.last_seen_at <= SUSPECT_AFTER
