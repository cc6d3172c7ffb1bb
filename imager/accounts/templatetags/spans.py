"""Years, months and days to narrow a list of the admin by, as the calendar has them.

Django's own asks which of them have rows, and reads the whole table for it; and it narrows by month and day
in a way that no index knows.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.contrib.admin.views.main import ChangeList
from django.db.models import Max, Min
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _

register = template.Library()
YEAR, MONTH, DAY = "year", "month", "day"


@register.inclusion_tag("admin/date_hierarchy.html")
def spans(changes: ChangeList) -> dict[str, Any]:
    """What to choose from next, and the way back."""
    begin, kind = _chosen(changes)
    if kind == YEAR:
        months = [begin.replace(month=month) for month in range(1, 13)]
        back = {"link": _link(changes), "title": _("All dates")}
        return {"show": True, "back": back, "choices": [_choice(changes, one, MONTH) for one in months]}
    if kind == MONTH:
        days = [begin + timedelta(days=day) for day in range((_end(begin, MONTH) - begin).days)]
        back = _choice(changes, begin.replace(month=1), YEAR)
        return {"show": True, "back": back, "choices": [_choice(changes, one, DAY) for one in days]}
    if kind == DAY:
        back = _choice(changes, begin.replace(day=1), MONTH)
        return {"show": True, "back": back, "choices": [{"title": _title(begin, DAY)}]}
    return {"show": True, "choices": [_choice(changes, year, YEAR) for year in _years(changes)]}


def _chosen(changes: ChangeList) -> tuple[datetime, str]:
    """The year, month or day that the list is narrowed to, by its beginning; no kind if it is none."""
    name = changes.date_hierarchy
    asked = [str(changes.params.get(f"{name}__{side}", "")) for side in ("gte", "lt")]
    try:
        begin, end = (datetime.fromisoformat(one) for one in asked)
        for kind in (YEAR, MONTH, DAY):
            if (_begin(begin, kind), _end(begin, kind)) == (begin, end):
                return begin, kind
    except (ValueError, TypeError, OverflowError):
        pass  # not of the calendar: every year is offered
    return timezone.now(), ""


def _begin(at: datetime, kind: str) -> datetime:
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return {YEAR: day.replace(month=1, day=1), MONTH: day.replace(day=1), DAY: day}[kind]


def _end(begin: datetime, kind: str) -> datetime:
    if kind == YEAR:
        return begin.replace(year=begin.year + 1)
    return _begin(begin + timedelta(days=32), MONTH) if kind == MONTH else begin + timedelta(days=1)


def _years(changes: ChangeList) -> list[datetime]:
    """From the first to the last, of all rows: an index knows both ends."""
    name = changes.date_hierarchy
    ends = changes.model._default_manager.aggregate(first=Min(name), last=Max(name))
    if ends["first"] is None:
        return []
    first, last = (_begin(timezone.localtime(ends[end]), YEAR) for end in ("first", "last"))
    return [first.replace(year=year) for year in range(first.year, last.year + 1)]


def _choice(changes: ChangeList, begin: datetime, kind: str) -> dict[str, str]:
    return {"link": _link(changes, gte=begin, lt=_end(begin, kind)), "title": _title(begin, kind)}


def _link(changes: ChangeList, **bounds: datetime) -> str:
    name = changes.date_hierarchy
    narrowed = {f"{name}__{side}": at.isoformat() for side, at in bounds.items()}
    return changes.get_query_string(narrowed, [f"{name}__"])


def _title(begin: datetime, kind: str) -> str:
    names = {MONTH: "YEAR_MONTH_FORMAT", DAY: "MONTH_DAY_FORMAT"}
    return capfirst(date_format(begin, names[kind])) if kind in names else str(begin.year)
