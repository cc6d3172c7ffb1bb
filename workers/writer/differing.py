"""Re-flashing: find what of an image a card already holds, so that only the rest is written.

Off when anything is doubtful: the card must carry every single stamp of an earlier writing, every range must
have its digest, and most of a sample must be right. All is read back in the end like after any other writing,
so this can only save time, never prove less.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

from workers.contract import Step
from workers.imaging.ranges import Range, subtract, total
from workers.report import Report
from workers.writer.compare import Comparison, compare
from workers.writer.plan import Piece
from workers.writer.stamps import recognized
from workers.writer.traffic import Digests, Traffic

SAMPLES: Final = 64
# Reading all once more pays if less differs than 1 - (write rate / read rate): 0.43 at 20/35 MB/s.
_SHARE: Final = 0.7


def worth_comparing(traffic: Traffic, pieces: Sequence[Piece], report: Report) -> bool:
    """Whether the card is one of ours and holds most of these pieces. Look before it is wiped."""
    if not pieces or not all(each.sha256 for piece in pieces for each in piece.ranges):
        return False
    if traffic.alone(lambda: recognized(traffic.card)) is None:
        return False
    sample = pieces[:: -(-len(pieces) // SAMPLES)]
    right = len(sample) - len(list(_differing(_compare(traffic, sample, report), sample)))
    report.log(f"This card was written here before: {right} of {len(sample)} places are right already.")
    return right >= _SHARE * len(sample)


def right_already(traffic: Traffic, pieces: Sequence[Piece], report: Report) -> list[Piece]:
    """The pieces that need not be written, small gaps between their ranges included."""
    report.step(Step.CHECKING, total(pieces))
    wrong = set(_differing(_compare(traffic, pieces, report), pieces))
    return [piece for piece in pieces if piece not in wrong]


def _compare(traffic: Traffic, pieces: Sequence[Piece], report: Report) -> Comparison:
    whole = [_whole(piece) for piece in pieces]
    expected: Digests = {each: each.sha256 or "" for piece in whole for each in piece.ranges}
    return compare(traffic, whole, expected, report)


def _differing(found: Comparison, pieces: Sequence[Piece]) -> Iterator[Piece]:
    bad = set(found.bad_ranges)
    return (piece for piece in pieces if not bad.isdisjoint(_whole(piece).ranges))


def _whole(piece: Piece) -> Piece:
    """The piece with the zeros between and behind its ranges as ranges of their own."""
    gaps = (
        Range(each.offset, each.length, hashlib.sha256(bytes(each.length)).hexdigest())
        for each in subtract([Range(piece.offset, piece.length)], piece.ranges)
    )
    return Piece(piece.offset, piece.length, (*piece.ranges, *gaps))
