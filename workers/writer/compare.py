"""Read a card and compare it with what should be on it."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field

from workers.imaging.ranges import Range
from workers.report import Report
from workers.writer.card import Card
from workers.writer.pipeline import DEPTH, Behind
from workers.writer.plan import Piece
from workers.writer.transfer import BadSpot, read_fully

Digests = dict[Range, str]


@dataclass
class Comparison:
    """What was read: the digest of each range, the ranges that differ, the pieces that cannot be read."""

    digests: Digests = field(default_factory=dict)
    differing: list[Range] = field(default_factory=list)
    unreadable: list[Piece] = field(default_factory=list)

    @property
    def bad_ranges(self) -> list[Range]:
        """All that is not as it should be, ascending."""
        lost = (each for piece in self.unreadable for each in piece.ranges)
        return sorted({*self.differing, *lost}, key=lambda each: each.offset)

    def bad_pieces(self, pieces: Iterable[Piece]) -> list[Piece]:
        """The pieces that hold something bad."""
        bad = set(self.bad_ranges)
        return [piece for piece in pieces if not bad.isdisjoint(piece.ranges)]


def digests_of(piece: Piece, buffer: memoryview) -> Digests:
    """SHA-256 of each range of a piece, in hex."""
    found = {}
    for each in piece.ranges:
        start = each.offset - piece.offset
        found[each] = hashlib.sha256(buffer[start : start + each.length]).hexdigest()
    return found


def compare(
    card: Card, pieces: Iterable[Piece], expected: Digests, report: Report, *, give_up_at: int | None = None
) -> Comparison:
    """Read all pieces; hashing runs beside reading. `give_up_at`: so many bad ranges are enough to know."""
    found = Comparison()
    jobs: deque[Future[Digests]] = deque()
    behind = Behind()
    done = 0
    try:
        for piece in pieces:
            report.check()
            if job := _read(card, piece, behind):
                jobs.append(job)
            else:
                found.unreadable.append(piece)
            while len(jobs) > DEPTH:
                _collect(jobs.popleft(), expected, found)
            done += piece.length
            report.progress(done)
            if give_up_at is not None and len(found.bad_ranges) >= give_up_at:
                break
        for job in jobs:
            _collect(job, expected, found)
    finally:
        behind.close()
    return found


def _read(card: Card, piece: Piece, behind: Behind) -> Future[Digests] | None:
    buffer = behind.buffer()
    try:
        read_fully(card, buffer[: piece.length], piece.offset)
    except BadSpot:
        behind.free(buffer)
        return None
    return behind.submit(digests_of, piece, buffer)


def _collect(job: Future[Digests], expected: Digests, found: Comparison) -> None:
    for each, digest in job.result().items():
        found.digests[each] = digest
        if digest != expected[each]:
            found.differing.append(each)
