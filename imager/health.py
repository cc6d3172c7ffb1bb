"""Whether the service works: what a monitoring asks every minute. Nine small questions to the database.

The web never touches the broker; that it is gone shows in the bells that the scheduler could not send.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import Count, Exists, Max, Min, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from imager import clock
from imager.accounts.models import Channel, Organization
from tasks_app import pulse
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Host, Outbox, Pulse, Stumble, Task
from tasks_app.presence import SILENT_AFTER
from tasks_app.templatetags.pace import took
from warehouse.models import Warehouse
from workers.contract import Kind

LATE_BUILD: Final = timedelta(hours=48)
LATE_MAIL: Final = timedelta(minutes=15)


@dataclass(frozen=True)
class Check:
    """One thing that must be so. `detail` is for staff: it may name hosts and errors."""

    name: str
    label: str
    good: bool
    detail: str


def checks() -> list[Check]:
    """All of them, by the database's clock. That it answers at all is the first."""
    at = clock.now()
    found = [Check("database", str(_("Database")), True, "")]
    for name, (label, look) in _LOOKS.items():
        trouble = look(at)
        found.append(Check(name, str(label), not trouble, trouble))
    return found


def _process(role: str) -> Callable[[datetime], str]:
    def look(at: datetime) -> str:
        last = Pulse.objects.filter(role=role).aggregate(last=Max("at"))["last"]
        if last is None:
            return str(_("It has never run."))
        if at - last > pulse.STALE:
            return str(_("It is silent for %(time)s.") % {"time": took((at - last).total_seconds())})
        return ""

    return look


def _hosts(at: datetime) -> str:
    """In each channel that works, somebody of either kind must have been heard of lately."""
    recent = Host.objects.filter(channel=OuterRef("pk"), last_seen_at__gt=at - SILENT_AFTER, disabled=False)
    heard = {str(kind): Exists(recent.filter(kind=kind)) for kind in Host.Kind.values}
    served = Exists(Organization.objects.filter(channel=OuterRef("pk"), active=True))
    wanted = Channel.objects.filter(served, active=True).annotate(**heard)
    missing = [
        f"{Host.Kind(kind).label} ({channel.slug})"
        for channel in wanted
        for kind in Host.Kind.values
        if not getattr(channel, kind)
    ]
    return str(_("Nobody is there for %(missing)s.") % {"missing": ", ".join(missing)}) if missing else ""


def _builds(at: datetime) -> str:
    waiting = Task.objects.filter(kind=Kind.CREATE, status=TaskStatus.QUEUED)
    oldest = waiting.aggregate(oldest=Min("queued_at"))["oldest"]
    if oldest is None or at - oldest <= LATE_BUILD:
        return ""
    return str(_("A build waits for %(time)s.") % {"time": took((at - oldest).total_seconds())})


def _mails(at: datetime) -> str:
    late = Q(sent_at=None, given_up_at=None, not_before__lt=at - LATE_MAIL)
    counted = Outbox.objects.filter(sent_at=None).aggregate(
        late=Count("pk", filter=late), given_up=Count("pk", filter=Q(given_up_at__isnull=False))
    )
    if not (counted["late"] or counted["given_up"]):
        return ""
    return str(_("%(late)d wait for too long, %(given_up)d were given up.") % counted)


def _stumbles(_at: datetime) -> str:
    """What failed once may be chance."""
    rows = Stumble.objects.filter(count__gte=3).values_list("job", "subject")[:5]
    return ", ".join(f"{job} {subject}" for job, subject in rows)


def _warehouse(_at: datetime) -> str:
    if Warehouse.objects.filter(slug=settings.WAREHOUSE, active=True).exists():
        return ""
    return str(_("There is no active warehouse “%(slug)s”.") % {"slug": settings.WAREHOUSE})


def _base_image(_at: datetime) -> str:
    if settings.BASE_IMAGE_URL and settings.BASE_IMAGE_BYTES:
        return ""
    return str(_("BASE_IMAGE_URL and BASE_IMAGE_BYTES are not set."))


_LOOKS: Final = {
    "scheduler": (_("Scheduler"), _process(pulse.SCHEDULER)),
    "ringer": (_("Ringer"), _process(pulse.RINGER)),
    "server_worker": (_("Server worker"), _process(pulse.SERVER_WORKER)),
    "hosts": (_("Hosts"), _hosts),
    "builds": (_("Waiting builds"), _builds),
    "mails": (_("Mails"), _mails),
    "stumbles": (_("Work of the scheduler"), _stumbles),
    "warehouse": (_("Warehouse"), _warehouse),
    "base_image": (_("Base image"), _base_image),
}
