"""How large a card really is, and how fast: measured without an image, on all of the card.

A mark is put at every 256th of the card, from the end to the beginning; then the beginning is filled, at
least one such step of it, and read back; then the marks are read. On a card whose end is another name of its
beginning, each step beyond the real end has its mark overwritten by the filling; where nothing is there at
all, the mark is lost. So the real size is known to one step.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Final

from workers.contract import Latencies, Step
from workers.imaging.ranges import GRID, Range, total
from workers.imaging.sizes import exact, readable
from workers.report import Report
from workers.writer.card import Card
from workers.writer.compare import compare
from workers.writer.plan import Piece
from workers.writer.stamps import STAMP, UNKNOWN_IMAGE, Stamps
from workers.writer.traffic import Digests, Traffic, digests_of
from workers.writer.transfer import BadSpot, settle
from workers.writer.verdicts import addresses
from workers.writer.wiping import empty

STEPS: Final = 256
SAMPLE: Final = 64 * 1024 * 1024  # bytes at least, from which speeds are told


@dataclass(frozen=True, slots=True)
class Capacity:
    """What was found. `proved_bytes`: so many are there, from the beginning on. `lost`: marks that are not.

    `bad`: [offset, length] of what was written in a row and does not read back. Rates are bytes per second.
    """

    card: str
    card_bytes: int
    proved_bytes: int
    marks: int
    lost: list[int]
    bad: list[tuple[int, int]]
    sample_bytes: int
    write_rate: float
    read_rate: float
    depth: int
    write_latency: Latencies
    read_latency: Latencies

    @property
    def good(self) -> bool:
        return not (self.lost or self.bad)

    def __str__(self) -> str:
        speed = f"writes {readable(self.write_rate)}/s, reads {readable(self.read_rate)}/s"
        if self.good:
            return f"{self.card} has the {exact(self.card_bytes)} that it claims: {speed}."
        if self.lost:
            return (
                f"{self.card} claims {exact(self.card_bytes)}, but {len(self.lost)} of {self.marks} places "
                f"do not keep what is written, and only the first {exact(self.proved_bytes)} are proved; it "
                "is a forgery or worn out: take another."
            )
        places = addresses([Range(*span) for span in self.bad])
        return f"{self.card} does not keep what is written at {places}; throw it away. It {speed}."


def measure(card: Card, report: Report) -> Capacity:
    """Overwrites the card. What is found is a verdict; errors are CardError `card_gone`, SlotError, …"""
    traffic = Traffic(card, report)
    pieces = _sample(card)
    marks = Stamps(os.urandom(16), UNKNOWN_IMAGE, tuple(_places(card, total(pieces))))
    refused = _mark(traffic, marks, report)
    expected, write_rate = _fill(traffic, pieces, report)
    bad, read_rate = _read(traffic, pieces, expected, report)
    lost = sorted({*refused, *traffic.alone(lambda: marks.lost(traffic.card))})
    _leave_empty(traffic, report)
    return Capacity(
        card=card.name,
        card_bytes=card.size(),
        proved_bytes=_proved(card, pieces, marks, lost, bad),
        marks=len(marks.places),
        lost=lost,
        bad=[(each.offset, each.length) for each in bad],
        sample_bytes=total(pieces),
        write_rate=write_rate,
        read_rate=read_rate,
        depth=traffic.watch.depth,
        write_latency=traffic.watch.written.facts(),
        read_latency=traffic.watch.read.facts(),
    )


def _sample(card: Card) -> list[Piece]:
    """The beginning: at least a step, so that no mark beyond the end has a second name that is spared."""
    step = -(-card.size() // STEPS)
    end = min(max(SAMPLE, step), max(card.size() // 2, card.block)) // card.block * card.block
    spans = ((start, min(GRID, end - start)) for start in range(0, end, GRID))
    return [Piece(start, length, (Range(start, length),)) for start, length in spans]


def _places(card: Card, begin: int) -> Iterator[int]:
    """Where marks lie: from behind the sample in equal steps, and in the very last block."""
    unit = max(STAMP, card.block)
    last = (card.size() - STAMP) // unit * unit
    step = max(unit, -(-card.size() // STEPS) // unit * unit)
    yield from range(-(-begin // unit) * unit, last, step)
    if last >= begin:
        yield last


def _mark(traffic: Traffic, marks: Stamps, report: Report) -> list[int]:
    """From the end on, so that of two names of one place the true one wins; the places that were refused."""
    report.step(Step.WIPING, STAMP * len(marks.places))
    refused = []
    for done, place in enumerate(reversed(marks.places), 1):
        report.check()
        if not (_marked(traffic, marks, place) or _marked(traffic, marks, place)):
            refused.append(place)
        report.progress(STAMP * done)
    traffic.alone(lambda: settle(traffic.card))
    return refused


def _marked(traffic: Traffic, marks: Stamps, place: int) -> bool:
    try:
        traffic.alone(partial(marks.write_at, place, traffic.card))
    except BadSpot:
        return False
    return True


def _fill(traffic: Traffic, pieces: Sequence[Piece], report: Report) -> tuple[Digests, float]:
    """Random bytes; a number in front of each piece, so that none can stand for another."""
    noise = os.urandom(GRID)

    def fill(piece: Piece, buffer: memoryview) -> Digests:
        buffer[: piece.length] = noise[: piece.length]
        buffer[:8] = piece.offset.to_bytes(8, "little")
        return digests_of(piece, buffer)

    report.step(Step.WRITING, total(pieces))
    began, done = traffic.watch.busy, 0
    expected: Digests = {}
    refused: list[Piece] = []
    with closing(traffic.write(pieces, fill)) as written:
        for piece, (digests, trouble) in written:
            expected.update(digests)
            refused += [piece] if trouble else []
            report.check()
            done += piece.length
            report.progress(done)
    with closing(traffic.write(refused, fill)) as again:  # an error may pass; what stays does not read back
        for _ in again:
            report.check()
    traffic.alone(lambda: settle(traffic.card))
    return expected, _rate(done, traffic.watch.busy - began)


def _read(
    traffic: Traffic, pieces: Sequence[Piece], expected: Digests, report: Report
) -> tuple[list[Range], float]:
    report.step(Step.READING_BACK, total(pieces))
    began = traffic.watch.busy
    found = compare(traffic, pieces, expected, report)
    return found.bad_ranges, _rate(total(pieces), traffic.watch.busy - began)


def _proved(
    card: Card, pieces: Sequence[Piece], marks: Stamps, lost: Sequence[int], bad: Sequence[Range]
) -> int:
    """Where the last thing ends that is there, before the first that is not."""
    if not (lost or bad):
        return card.size()
    first = min([*lost, *(each.offset for each in bad)])
    ends = [*(piece.end for piece in pieces), *(place + STAMP for place in marks.places)]
    return max([0, *(end for end in ends if end <= first)])


def _leave_empty(traffic: Traffic, report: Report) -> None:
    """Nothing at the beginning that a computer would take for something."""
    head = Range(0, min(GRID, traffic.card.size() // traffic.card.block * traffic.card.block))
    try:
        traffic.alone(partial(empty, traffic.card, head))
    except BadSpot as trouble:
        report.log(f"The beginning of the card could not be emptied: {trouble.message}")


def _rate(size: int, seconds: float) -> float:
    return size / seconds if seconds > 0 else 0.0
