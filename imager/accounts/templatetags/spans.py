"""Years, months and days to narrow a list of the admin by, as the calendar has them.

Django's own asks which of them have rows, and reads the whole table for it.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import date
from typing import Any

from django import template
from django.contrib.admin.views.main import ChangeList
from django.db.models import Max, Min
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _

register = template.Library()
PARTS = ("year", "month", "day")


@register.inclusion_tag("admin/date_hierarchy.html")
def spans(changes: ChangeList) -> dict[str, Any]:
    """What to choose from next, and the way back."""
    chosen = _chosen(changes)
    if not chosen:
        return {"show": True, "choices": [_choice(changes, (year,), str(year)) for year in _years(changes)]}
    if len(chosen) == 1:
        months = [(chosen[0], month) for month in range(1, 13)]
        choices = [_choice(changes, one, _title(one)) for one in months]
        return {"show": True, "back": _choice(changes, (), _("All dates")), "choices": choices}
    if len(chosen) == 2:
        days = [(*chosen, day) for day in range(1, monthrange(*chosen)[1] + 1)]
        choices = [_choice(changes, one, _title(one)) for one in days]
        return {"show": True, "back": _choice(changes, chosen[:1], str(chosen[0])), "choices": choices}
    back = _choice(changes, chosen[:2], _title(chosen[:2]))
    return {"show": True, "back": back, "choices": [{"title": _title(chosen)}]}


def _title(chosen: tuple[int, ...]) -> str:
    month, day = "YEAR_MONTH_FORMAT", "MONTH_DAY_FORMAT"
    return str(capfirst(date_format(date(*(*chosen, 1)[:3]), day if len(chosen) == 3 else month)))


def _chosen(changes: ChangeList) -> tuple[int, ...]:
    """Year, month and day that the list is narrowed by, as far as they make a date."""
    asked = [str(changes.params.get(f"{changes.date_hierarchy}__{part}", "")) for part in PARTS]
    numbers = [int(one) if one.isascii() and one.isdigit() and len(one) < 5 else 0 for one in asked]
    known = numbers[: numbers.index(0)] if 0 in numbers else numbers
    try:
        date(*([*known, 1, 1][:3] if known else (1, 1, 1)))
    except ValueError:
        return ()
    return tuple(known)


def _years(changes: ChangeList) -> list[int]:
    """From the first to the last, of all rows: an index knows both ends."""
    name = changes.date_hierarchy
    ends = changes.model._default_manager.aggregate(first=Min(name), last=Max(name))
    if ends["first"] is None:
        return []
    first, last = (timezone.localtime(ends[end]).year for end in ("first", "last"))
    return list(range(first, last + 1))


def _choice(changes: ChangeList, chosen: tuple[int, ...], title: str) -> dict[str, str]:
    name = changes.date_hierarchy
    narrowed = {f"{name}__{part}": number for part, number in zip(PARTS, chosen, strict=False)}
    return {"link": changes.get_query_string(narrowed, [f"{name}__"]), "title": title}
