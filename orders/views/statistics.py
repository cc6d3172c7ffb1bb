"""The statistics of orders, cards and hosts, for staff: figures, drawings, and a table beside each."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from django.views.decorators.http import require_safe

from imager import clock
from imager.accounts.visitor import staff_only
from orders import charts
from orders.figures import Figures, Range, told, usual
from orders.lifecycle import OrderStatus
from orders.views.visitor import Request
from tasks_app.templatetags.pace import took

GB = 1_000_000_000


class RangeForm(forms.Form):
    """From a day to a day."""

    since = forms.DateField(
        label=gettext_lazy("from"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    until = forms.DateField(
        label=gettext_lazy("to"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )

    def clean(self) -> dict[str, Any]:
        """A range that is not too long."""
        data = super().clean() or self.cleaned_data
        if {"since", "until"} <= data.keys():
            data["range"] = Range(data["since"], data["until"])
        return data


@login_required
@require_safe
def statistics(request: Request) -> HttpResponse:
    """The figures of the range that was asked for, by default of a year."""
    staff_only(request, "orders.see_statistics")
    default = usual(clock.now().date())
    asked = {"since", "until"} & request.GET.keys()
    form = RangeForm(request.GET if asked else {"since": default.since, "until": default.until})
    tally = told(form.cleaned_data["range"]) if form.is_valid() else None
    found = tally.value if tally else None
    context: dict[str, Any] = {"form": form, "tally": tally, "figures": found}
    if found:
        labels = [(OrderStatus(status).label, count) for status, count in found.statuses.items()]
        context |= {"charts": drawn(found), "statuses": labels}
    return render(request, "orders/statistics/statistics.html", context, status=200 if tally else 422)


def drawn(found: Figures) -> dict[str, charts.Chart]:
    """A drawing for each of the tables."""
    months = [date_format(month.month, "M y") for month in found.months]
    done = [month.orders - month.failed - month.canceled for month in found.months]
    stopped = [month.failed + month.canceled for month in found.months]
    statuses = found.statuses
    return {
        "orders": charts.columns(
            _("Orders per month"),
            months,
            [done, stopped],
            [_("placed, under way or done"), _("failed or canceled")],
        ),
        "cards": charts.columns(
            _("Cards per month"),
            months,
            [[month.accepted for month in found.months], [month.bad for month in found.months]],
            [pgettext("cards", "verified"), pgettext("cards", "bad")],
        ),
        "bytes": charts.columns(
            _("GB per month"), months, [[round(month.bytes / GB, 3) for month in found.months]], []
        ),
        "statuses": charts.rows(
            _("Orders by status"),
            [str(OrderStatus(status).label) for status in statuses],
            [list(statuses.values())],
            [str(count) for count in statuses.values()],
            [],
        ),
        "causes": charts.rows(
            _("Why attempts failed"),
            [f"{cause.work} · {cause.reason}" for cause in found.causes],
            [[cause.count for cause in found.causes]],
            [str(cause.count) for cause in found.causes],
            [],
        ),
        "stays": charts.rows(
            _("Time in each stage"),
            [stay.label for stay in found.stays],
            [[stay.p50 for stay in found.stays], [stay.p95 for stay in found.stays]],
            [f"{took(stay.p50)} · {took(stay.p95)}" for stay in found.stays],
            [_("half of the orders: at most"), _("19 of 20: at most")],
        ),
        "hosts": charts.rows(
            _("Hours at work"),
            [host.host for host in found.hosts],
            [[host.hours for host in found.hosts]],
            [f"{number_format(host.hours, 1)} h" for host in found.hosts],
            [],
        ),
    }
