"""Size, speed and remaining time in people's words."""

from __future__ import annotations

from django import template
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imager.sizes import words

register = template.Library()

MINUTE, HOUR, DAY = 60, 3600, 86400


register.filter("size", words)


@register.filter
def rate(bytes_per_second: float | None) -> str:
    """`12.5 MB/s`; nothing when it is unknown."""
    if not bytes_per_second or bytes_per_second < 0:
        return ""
    return _("%(size)s/s") % {"size": words(bytes_per_second)}


@register.filter
def remaining(seconds: float | None) -> str:
    """Roughly how long it still takes; nothing when it is unknown."""
    if seconds is None or seconds < 0:
        return ""
    if seconds < MINUTE:
        return _("less than a minute left")
    minutes = round(seconds / MINUTE)
    if minutes < MINUTE:
        return ngettext("about %(count)d minute left", "about %(count)d minutes left", minutes) % {
            "count": minutes
        }
    return _("about %(hours)d h %(minutes)02d min left") % _hours(minutes)


@register.filter
def lasting(seconds: float | None) -> str:
    """Roughly how long it would take; nothing when it is unknown."""
    if seconds is None or seconds < 0:
        return ""
    minutes = max(1, round(seconds / MINUTE))
    if minutes < MINUTE:
        return ngettext("Takes about %(count)d minute.", "Takes about %(count)d minutes.", minutes) % {
            "count": minutes
        }
    return _("Takes about %(hours)d h %(minutes)02d min.") % _hours(minutes)


def _hours(minutes: int) -> dict[str, int]:
    return {"hours": minutes // MINUTE, "minutes": minutes % MINUTE}


@register.filter
def took(seconds: float) -> str:
    """How long something took, in the two largest units: `3 d 4 h`, `5 min 6 s`."""
    whole = max(0, round(seconds))
    days, hours, minutes = whole // DAY, whole % DAY // HOUR, whole % HOUR // MINUTE
    if days:
        return _("%(days)d d %(hours)d h") % {"days": days, "hours": hours}
    if hours:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}
    if minutes:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": whole % MINUTE}
    return _("%(seconds)d s") % {"seconds": whole}
