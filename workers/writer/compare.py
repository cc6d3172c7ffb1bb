"""Read a card and compare it with what should be on it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field

from workers.contract import Step
from workers.imaging.ranges import Range
from workers.report import Report
from workers.writer.plan import Piece
from workers.writer.traffic import Digests, Traffic


@dataclass
class Comparison:
    """What was read: the digest of each range, the ranges that differ, the pieces that cannot be read.

    `bad`: how many pieces have something of either; a piece of a scattered file system has many ranges.
    """

    digests: Digests = field(default_factory=dict)
    differing: list[Range] = field(default_factory=list)
    unreadable: list[Piece] = field(default_factory=list)
    bad: int = 0

    @property
    def bad_ranges(self) -> list[Range]:
        """All that is not as it should be, ascending."""
        lost = (each for piece in self.unreadable for each in piece.ranges)
        return sorted({*self.differing, *lost}, key=lambda each: each.offset)

    def bad_pieces(self, pieces: Iterable[Piece]) -> list[Piece]:
        """The pieces that hold something bad."""
        bad = set(self.bad_ranges)
        return [piece for piece in pieces if not bad.isdisjoint(piece.ranges)]

    def take(self, piece: Piece, digests: Digests | None, expected: Digests) -> None:
        """What reading a piece gave; None: nothing."""
        if digests is None:
            self.unreadable.append(piece)
            self.bad += 1
            return
        self.digests.update(digests)
        differing = [each for each, digest in digests.items() if digest != expected[each]]
        self.differing += differing
        self.bad += bool(differing)


class Quiet:
    """A report that hears the cancel and says nothing: what runs within another step."""

    def __init__(self, report: Report) -> None:
        self.check = report.check
        self.log = report.log

    def step(self, step: Step, total: int | None = None) -> None:
        """Not a step of its own."""

    def progress(self, done: int) -> None:
        """Not to be mixed with the other step's."""


def compare(
    traffic: Traffic,
    pieces: Iterable[Piece],
    expected: Digests,
    report: Report,
    *,
    give_up_at: int | None = None,
) -> Comparison:
    """Read all pieces; hashing runs beside reading. `give_up_at`: so many bad pieces are enough to know."""
    found = Comparison()
    done = 0
    with closing(traffic.read(pieces)) as readings:
        for piece, digests in readings:
            found.take(piece, digests, expected)
            done += piece.length
            report.check()
            report.progress(done)
            if give_up_at is not None and found.bad >= give_up_at:
                break
    return found
