"""Which writer host gets an order. Its download and cards stay there: only staff move them."""

from __future__ import annotations

from django.db.models import Case, Count, Q, Value, When
from django.db.models.functions import Now

from imager.accounts.models import Channel
from tasks_app.lifecycle import OPEN
from tasks_app.models import Host
from tasks_app.presence import SUSPECT_AFTER

THERE, AWAY, NEVER_SEEN = Value(0), Value(1), Value(2)


def writer_host_for(channel: Channel) -> Host | None:
    """The enabled writer host of the channel with the least open work; None if the channel has none.

    One that is there comes before one that is away, and one that was never heard of last of all.
    """
    presence = Case(
        When(last_seen_at__gte=Now() - SUSPECT_AFTER, then=THERE),
        When(last_seen_at__isnull=False, then=AWAY),
        default=NEVER_SEEN,
    )
    load = Count("tasks", filter=Q(tasks__status__in=OPEN))
    usable = Host.objects.filter(channel=channel, kind=Host.Kind.WRITER, disabled=False, draining=False)
    return usable.annotate(presence=presence, load=load).order_by("presence", "load", "name").first()
