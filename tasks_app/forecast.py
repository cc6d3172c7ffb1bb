"""How long a card still takes: foreseen from what its reader and media did, corrected by what it does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final
from uuid import UUID

from django.db import connection

from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Card, Slot, Task
from tasks_app.services.moving import order_model
from workers.contract import Kind, Step

RECENT: Final = 60  # cards of a slot
TRUSTED: Final = 0.25  # of a step: from there on only what was measured in it counts


@dataclass(frozen=True)
class Pace:
    """Medians of accepted cards. Rates in bytes per second; `beside`: seconds that moved no bytes."""

    write: float
    read: float
    beside: float


Place = tuple[int | None, int | None]  # slot and media; None: any
History = Mapping[Place, Pace]

_CARD, _SLOT = Card._meta.db_table, Slot._meta.db_table

_MEDIANS = f"""
SELECT slot.id, recent.media_id,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY write_rate),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY read_rate),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY greatest(
        0, lasted - written_bytes / write_rate - written_bytes / read_rate))
FROM {_SLOT} slot, LATERAL (
    SELECT media_id, write_rate, read_rate, written_bytes,
        extract(epoch FROM ended_at - permitted_at) AS lasted
    FROM {_CARD} card JOIN {{orders}} ordered ON ordered.id = card.order_id
    WHERE card.slot_id = slot.id AND verdict = '{Card.Verdict.ACCEPTED}'
        AND write_rate >= 1 AND read_rate >= 1
    ORDER BY ended_at DESC LIMIT {RECENT}
) recent
WHERE slot.host_id = ANY(%s)
GROUP BY GROUPING SETS ((slot.id, media_id), (slot.id), (media_id), ())
"""  # noqa: S608  # names of our own tables, constants of our own


@cache
def _medians() -> str:
    return _MEDIANS.format(orders=order_model()._meta.db_table)


def history(hosts: Iterable[int]) -> dict[Place, Pace]:
    """What the slots of these hosts did lately: each with each media, and together. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_medians(), [sorted(set(hosts))])
        rows = cursor.fetchall()
    return {(slot, media): Pace(*medians) for slot, media, *medians in rows if medians[0] is not None}


def mapped_of(orders: Iterable[UUID]) -> dict[UUID, int]:
    """How many bytes of an image a card gets, by order, as their builders told. One query."""
    built = Task.objects.filter(order__in=list(orders), kind=Kind.CREATE, status=TaskStatus.DONE)
    rows = built.values_list("order", "result")
    return {order: mapped for order, result in rows if (mapped := mapped_in(result))}


def mapped_in(result: object) -> int | None:
    """The same from the result of a build; None if it does not say."""
    mapped = result.get("mapped_bytes") if isinstance(result, dict) else None
    return mapped if type(mapped) is int and mapped > 0 else None


def pace_of(past: History, slot: int | None, media: int) -> Pace | None:
    """The nearest that is known: this media in this slot, this slot, this media at this host, this host."""
    places: list[Place] = [(slot, media), (slot, None), (None, media), (None, None)]
    return next((past[place] for place in places if place in past), None)


def lasts(pace: Pace | None, mapped: int | None) -> float | None:
    """Seconds for a whole card, before its first byte has moved."""
    if pace is None or mapped is None:
        return None
    return pace.beside + mapped / pace.write + mapped / pace.read


def left(task: Task, pace: Pace | None, mapped: int | None) -> float | None:
    """Seconds until a card that is being written, or will be at once, has been read back."""
    done, total = task.progress_done, task.progress_total or 0
    if task.status != TaskStatus.RUNNING or task.step not in {Step.WRITING, Step.READING_BACK} or not total:
        return lasts(pace, mapped)
    if task.step == Step.READING_BACK:
        rate = _blended(pace.read if pace else None, task.progress_rate, done / total)
        return max(total - done, 0) / rate if rate else task.progress_eta
    rate = _blended(pace.write if pace else None, task.progress_rate, done / total)
    if not rate:
        return None
    to_read = max(total, mapped or 0)  # also what was right before, and is not written again
    return max(total - done, 0) / rate + to_read / (pace.read if pace else rate)


def _blended(before: float | None, now: float | None, share: float) -> float | None:
    """The past at the beginning of a step, the present after `TRUSTED` of it; by seconds per byte."""
    now = now if now and now >= 1 else None  # less than a byte a second is a standstill, no rate
    if not now or not before:
        return now or before
    weight = min(1.0, share / TRUSTED)
    return 1 / ((1 - weight) / before + weight / now)
