"""Everything that goes to a card and comes from it: several calls in flight, each under watch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from workers.imaging import sysfs
from workers.imaging.ranges import Range
from workers.report import Report
from workers.writer.card import Card
from workers.writer.lanes import Lanes
from workers.writer.pipeline import through
from workers.writer.plan import Piece
from workers.writer.transfer import BadSpot, read_fully, write_fully
from workers.writer.watch import Patience, Watch, WatchedCard

Result = TypeVar("Result")
Digests = dict[Range, str]

DEPTH: Final = 4  # more gains nothing, and a cancel waits for all of them
SHALLOW: Final = 2
_FEW_REQUESTS: Final = 8  # a reader whose own queue is that short stalls when more is asked of it
_HASHERS: Final = 2
_SPARE: Final = 2  # buffers being filled or hashed while all others are in flight
_LEAVING: Final = 5.0  # seconds; what these threads do never hangs for long


class Traffic:
    """All calls to one card. For one thread; `alone`, `write` and `read` one after the other."""

    def __init__(
        self, card: Card, report: Report, *, patience: Patience | None = None, depth: int | None = None
    ) -> None:
        self.watch = Watch(card.name, report, patience or Patience(), depth or fitting_depth(card))
        self.card = WatchedCard(card, self.watch)

    def alone(self, call: Callable[[], Result], *, heeds_cancel: bool = True) -> Result:
        """A call, or several one after the other, beside which nothing else goes to the card."""
        with self._lanes(1) as lanes:
            return self.watch.wait(lanes.submit(call), heeds_cancel=heeds_cancel)

    def write(
        self, pieces: Iterable[Piece], fill: Callable[[Piece, memoryview], Digests]
    ) -> Generator[tuple[Piece, tuple[Digests, BadSpot | None]], None, None]:
        """Each piece with the digests that `fill` gave it, and the card's refusal, if it refused.

        Close the generator when you leave early.
        """
        with self._lanes(self.watch.depth) as writing, self._helpers(1, "fill") as filling:
            yield from through(
                pieces,
                (filling, fill),
                (writing, self._write),
                wait=self.watch.wait,
                buffers=self.watch.depth + _SPARE,
            )

    def read(self, pieces: Iterable[Piece]) -> Generator[tuple[Piece, Digests | None], None, None]:
        """Each piece with the digests of its ranges as the card gave them; None where it cannot be read.

        Close the generator when you leave early.
        """
        with self._lanes(self.watch.depth) as reading, self._helpers(_HASHERS, "hash") as hashing:
            yield from through(
                pieces,
                (reading, self._read),
                (hashing, _digest),
                wait=self.watch.wait,
                buffers=self.watch.depth + _SPARE,
            )

    def _write(self, piece: Piece, digests: Digests, buffer: memoryview) -> tuple[Digests, BadSpot | None]:
        try:
            write_fully(self.card, buffer[: piece.length], piece.offset)
        except BadSpot as trouble:
            return digests, trouble
        return digests, None

    def _read(self, piece: Piece, buffer: memoryview) -> bool:
        try:
            read_fully(self.card, buffer[: piece.length], piece.offset)
        except BadSpot:
            return False
        return True

    @contextmanager
    def _lanes(self, count: int) -> Iterator[Lanes]:
        """Threads that call the card. None is left behind at work: a late write would spoil the card."""
        lanes = Lanes(count, "card")
        try:
            yield lanes
        finally:
            if not lanes.close(self.watch.patience()):
                raise self.watch.give_up()

    @contextmanager
    def _helpers(self, count: int, name: str) -> Iterator[Lanes]:
        lanes = Lanes(count, name)
        try:
            yield lanes
        finally:
            lanes.close(_LEAVING)


def fitting_depth(card: Card) -> int:
    """How many calls the card's reader takes at once without stalling."""
    requests = sysfs.read(Path(card.identity().place) / "queue" / "nr_requests")
    return SHALLOW if requests.isdecimal() and int(requests) <= _FEW_REQUESTS else DEPTH


def digests_of(piece: Piece, buffer: memoryview) -> Digests:
    """SHA-256 of each range of a piece, in hex."""
    found = {}
    for each in piece.ranges:
        start = each.offset - piece.offset
        found[each] = hashlib.sha256(buffer[start : start + each.length]).hexdigest()
    return found


def _digest(piece: Piece, readable: bool, buffer: memoryview) -> Digests | None:
    return digests_of(piece, buffer) if readable else None
