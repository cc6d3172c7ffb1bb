"""Before an image goes to a card: prove that it keeps something, empty its ends, stamp its free space."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from workers.contract import Step
from workers.imaging.ranges import Range, total
from workers.report import Report
from workers.writer.card import Card, aligned
from workers.writer.plan import Plan
from workers.writer.probe import prove_writable
from workers.writer.stamps import Stamps
from workers.writer.traffic import Traffic
from workers.writer.transfer import BadSpot, settle, write_fully
from workers.writer.verdicts import BadBlocks


def wipe(traffic: Traffic, plan: Plan, stamps: Stamps, report: Report) -> None:
    """CardError `ignores_writes`, `fake_capacity`, `bad_blocks`, `write_protected`, all within seconds."""
    card = traffic.card
    report.step(Step.WIPING, total(plan.blanked))
    _twice(traffic, report, lambda: prove_writable(card))
    done = 0
    for each in plan.blanked:
        report.check()
        _twice(traffic, report, partial(blank, card, each))
        done += each.length
        report.progress(done)
    _twice(traffic, report, lambda: stamps.write(card))
    traffic.alone(lambda: settle(card))


def blank(card: Card, place: Range) -> None:
    """Zeros there."""
    write_fully(card, aligned(place.length), place.offset)


def empty(card: Card, place: Range) -> None:
    """Zeros there, which have reached the card."""
    blank(card, place)
    settle(card)


def _twice(traffic: Traffic, report: Report, call: Callable[[], None]) -> None:
    """An error of the card may pass; twice the same is no accident."""
    try:
        traffic.alone(call)
    except BadSpot as trouble:
        report.log(f"{trouble.message} Trying it again.")
        try:
            traffic.alone(call)
        except BadSpot as again:
            place = Range(again.offset, traffic.card.block)
            raise BadBlocks(traffic.card.name, [place], tries=2) from again
