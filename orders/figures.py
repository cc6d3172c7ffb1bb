"""Figures about the orders of some time, counted by the database: six questions, however many orders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Count, F, Q, QuerySet, Sum, TextField
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, TruncMonth
from django.utils import timezone
from django.utils.translation import gettext as _

from imager import clock
from orders.lifecycle import STAGES, OrderStatus
from orders.models import Order, OrderMove
from tasks_app import tallies
from tasks_app.causes import cause
from tasks_app.models import Attempt, Card, Task
from tasks_app.tallies import Tally
from tasks_app.words import FAULTS, OUTCOMES

FIRST: Final = date(1900, 1, 1)
LAST: Final = date(9999, 12, 29)  # calendars end two days later, clocks elsewhere are ahead of ours
LONGEST: Final = 3 * 366  # days: what bounds the cost
CAUSES: Final = 15
TALLY: Final = "orders"
AT_ONCE: Final = 10_000  # orders, and attempts, that are counted while somebody waits


@dataclass(frozen=True)
class Range:
    """From the first moment of `since` to the last of `until`, both days included."""

    since: date
    until: date

    def __post_init__(self) -> None:
        words: dict[str, object] = {"since": self.since, "until": self.until, "limit": LONGEST}
        if self.since > self.until:
            told = _("The first day, %(since)s, comes after the last one, %(until)s: choose an earlier one.")
            raise ValidationError(told % words)
        if self.since < FIRST or self.until > LAST:
            told = _("Choose days from %(first)s to %(last)s.")
            raise ValidationError(told % {"first": FIRST, "last": LAST})
        if (self.until - self.since).days > LONGEST:
            told = _("At most %(limit)s days at a time: choose days that lie nearer together.")
            raise ValidationError(told % words)

    @property
    def begin(self) -> datetime:
        """The first moment."""
        return timezone.make_aware(datetime.combine(self.since, time.min))

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return timezone.make_aware(datetime.combine(self.until, time.min)) + timedelta(days=1)


@dataclass(frozen=True)
class Month:
    """Orders that were placed in a month, and what came of them. `image_bytes` times the cards."""

    month: date
    orders: int = 0
    downloads: int = 0
    failed: int = 0
    canceled: int = 0
    bytes: int = 0
    accepted: int = 0
    bad: int = 0


@dataclass(frozen=True)
class Cause:
    """Why attempts failed: whose fault, and the code that the host gave."""

    kind: str
    fault: str
    code: str
    count: int

    @property
    def work(self) -> str:
        """What was tried, translated."""
        return str(Task.Kind(self.kind).label)

    @property
    def blamed(self) -> str:
        """Whose fault it was, translated; of attempts that were never heard of again, what became of them."""
        return str((FAULTS | OUTCOMES).get(self.fault, self.fault))

    @property
    def reason(self) -> str:
        """The code, in words."""
        return cause(self.code)


@dataclass(frozen=True)
class Stay:
    """How long orders stayed in a stage, in seconds: half of them at most `p50`, 19 of 20 at most `p95`."""

    stage: str
    count: int
    p50: float
    p95: float

    @property
    def label(self) -> str:
        """The stage, translated."""
        return str(OrderStatus(self.stage).label)


@dataclass(frozen=True)
class Use:
    """What a host did: attempts that ended, those that were done, and its hours at work."""

    host: str
    kind: str
    attempts: int
    done: int
    hours: float


@dataclass(frozen=True)
class Figures:
    """Everything about a range."""

    range: Range
    statuses: dict[str, int]
    months: list[Month]
    causes: list[Cause]
    stays: list[Stay]
    hosts: list[Use]


def usual(today: date) -> Range:
    """This month and the eleven before."""
    months = today.year * 12 + today.month - 1 - 11
    return Range(date(months // 12, months % 12 + 1, 1), today)


def told(over: Range) -> Tally:
    """The figures as they are or, if they are of many orders, as they were counted last."""
    if all(rows.values("pk")[: AT_ONCE + 1].count() <= AT_ONCE for rows in _rows(over)):
        return Tally(figures(over))
    return tallies.look(TALLY, over.since.isoformat(), over.until.isoformat())


def foresee() -> None:
    """What the page shows first is there when somebody comes."""
    told(usual(clock.now().date()))


def count(since: str, until: str) -> Figures:
    """For tallies."""
    return figures(Range(date.fromisoformat(since), date.fromisoformat(until)))


def _rows(over: Range) -> tuple[QuerySet[Order], QuerySet[Attempt]]:
    orders = Order.objects.filter(created_at__gte=over.begin, created_at__lt=over.end).order_by()
    return orders, Attempt.objects.filter(ended_at__gte=over.begin, ended_at__lt=over.end).order_by()


def figures(over: Range) -> Figures:
    """Six aggregates over the orders placed, and the attempts ended, in that time."""
    orders, attempts = _rows(over)
    counted = dict(orders.values_list("status").annotate(Count("pk")))
    return Figures(
        range=over,
        statuses={status: counted[status] for status in OrderStatus.values if status in counted},
        months=_months(over, orders),
        causes=_causes(attempts),
        stays=_stays(over),
        hosts=_hosts(attempts),
    )


def _months(over: Range, orders: QuerySet[Order]) -> list[Month]:
    """Every month of the range, also those in which nothing happened."""
    found: dict[date, dict[str, Any]] = {month: {} for month in _each_month(over)}
    placed = orders.annotate(month=TruncMonth("created_at")).values("month").annotate(
        orders=Count("pk"),
        downloads=Count("pk", filter=Q(kind=Order.Kind.VIRTUAL)),
        failed=Count("pk", filter=Q(status=OrderStatus.FAILED)),
        canceled=Count("pk", filter=Q(status=OrderStatus.CANCELED)),
        bytes=Coalesce(Sum(F("image_bytes") * F("quantity")), 0),
    )  # fmt: skip
    in_range = Q(order__created_at__gte=over.begin, order__created_at__lt=over.end)
    cards = Card.objects.filter(in_range).order_by().annotate(month=TruncMonth("order__created_at"))
    judged = cards.values("month").annotate(
        accepted=Count("pk", filter=Q(verdict=Card.Verdict.ACCEPTED)),
        bad=Count("pk", filter=Q(verdict=Card.Verdict.BAD)),
    )
    for row in (*placed, *judged):
        fields: dict[str, Any] = dict(row)
        found[fields.pop("month").date()] |= {name: int(value) for name, value in fields.items()}
    return [Month(month, **fields) for month, fields in sorted(found.items())]


def _each_month(over: Range) -> list[date]:
    count = (over.until.year - over.since.year) * 12 + over.until.month - over.since.month
    first = over.since.year * 12 + over.since.month - 1
    return [date((first + n) // 12, (first + n) % 12 + 1, 1) for n in range(count + 1)]


def _causes(attempts: QuerySet[Attempt]) -> list[Cause]:
    failed = attempts.exclude(outcome__in=["done", "canceled", "released", ""])
    told = failed.annotate(
        fault=Coalesce(KT("trouble__fault"), F("outcome"), output_field=TextField()),
        code=Coalesce(KT("trouble__code"), F("outcome"), output_field=TextField()),
    )
    rows = told.values("fault", "code", kind=F("task__kind")).annotate(count=Count("pk"))
    return [Cause(**row) for row in rows.order_by("-count", "kind", "code")[:CAUSES]]


def _stays(over: Range) -> list[Stay]:
    """From one move to the next of the same order; what has not ended yet is not counted."""
    order, move = Order._meta.db_table, OrderMove._meta.db_table
    sql = f"""
        SELECT stage, count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds),
            percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds)
        FROM (
            SELECT went_to AS stage, extract(epoch FROM lead(at) OVER same - at)::float AS seconds
            FROM {move} JOIN {order} ON {order}.id = {move}.subject_id
            WHERE {order}.created_at >= %s AND {order}.created_at < %s
            WINDOW same AS (PARTITION BY subject_id ORDER BY {move}.id)
        ) AS stays
        WHERE seconds IS NOT NULL AND stage = ANY(%s) GROUP BY stage
    """  # noqa: S608  # names of tables
    stages = [str(stage) for stage in (*STAGES, OrderStatus.READY_TO_SHIP)]
    with connection.cursor() as cursor:
        cursor.execute(sql, [over.begin, over.end, stages])
        stays = [Stay(*row) for row in cursor.fetchall()]
    return sorted(stays, key=lambda stay: stages.index(stay.stage))


def _hosts(attempts: QuerySet[Attempt]) -> list[Use]:
    rows = attempts.values(name=F("host__name"), of=F("host__kind")).annotate(
        count=Count("pk"),
        finished=Count("pk", filter=Q(outcome="done")),
        busy=Sum(F("ended_at") - F("started_at")),
    )
    return [
        Use(row["name"], row["of"], row["count"], row["finished"], row["busy"].total_seconds() / 3600)
        for row in rows.order_by("-busy")
    ]
