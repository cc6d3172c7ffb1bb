"""Before an image goes to a card: prove that it keeps something, empty its ends, stamp its free space."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Final

from workers.contract import Step
from workers.errors import CardError
from workers.imaging.ranges import Range, total
from workers.report import Report
from workers.writer.card import Card, aligned
from workers.writer.erasing import discard
from workers.writer.plan import Plan
from workers.writer.stamps import Stamps
from workers.writer.traffic import Traffic
from workers.writer.transfer import BadSpot, read_fully, settle, write_fully
from workers.writer.verdicts import BadBlocks

_STAMP: Final = 4096


def wipe(traffic: Traffic, plan: Plan, stamps: Stamps, report: Report, *, erase: bool = False) -> None:
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
    if erase:
        discard(traffic, plan, report)
    _twice(traffic, report, lambda: stamps.write(card))
    traffic.alone(lambda: settle(card))


def prove_writable(card: Card) -> None:
    """Stamp the first and the last block with random bytes and read them back from the card.

    Overwrites both. CardError `ignores_writes`: a worn or locked card that only pretends to write.
    CardError `fake_capacity`: the end does not exist, or is another name of the beginning.
    """
    stamp = max(_STAMP, card.block)
    last = (card.size() - stamp) // card.block * card.block
    if last < stamp:
        return
    written = {offset: os.urandom(stamp) for offset in (0, last)}
    for offset in (last, 0):
        _write(card, written[offset], offset)
    settle(card)
    if _read(card, stamp, 0) != written[0]:
        raise CardError(
            "ignores_writes",
            f"The card in {card.name} accepts data but does not keep it: worn out or locked; take another.",
        )
    if _read(card, stamp, last) != written[last]:
        raise CardError(
            "fake_capacity",
            f"The card in {card.name} claims {card.size()} bytes but its end does not exist; "
            "it is a forgery: take another.",
        )


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


def _write(card: Card, data: bytes, offset: int) -> None:
    buffer = aligned(len(data))
    buffer[:] = data
    write_fully(card, buffer, offset)


def _read(card: Card, length: int, offset: int) -> bytes:
    buffer = aligned(length)
    read_fully(card, buffer, offset)
    return bytes(buffer)
