"""Write an image to a card and prove it: wipe, write, read everything back, mend, or condemn the card."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import Final, Protocol, TypeVar

from workers.contract import Step
from workers.errors import WorkError
from workers.imaging.ranges import GRID, Range, total
from workers.report import Report
from workers.writer import stamps
from workers.writer.card import Card
from workers.writer.compare import Comparison, Quiet, compare
from workers.writer.conditions import Conditions
from workers.writer.differing import right_already, worth_comparing
from workers.writer.erasing import erasable
from workers.writer.guards import must_hold
from workers.writer.plan import Piece, make_plan
from workers.writer.result import BurnResult
from workers.writer.returning import Returns, recent
from workers.writer.traffic import Digests, Traffic, digests_of
from workers.writer.transfer import Gone, settle
from workers.writer.verdicts import BadBlocks, addresses, digest_of_digests, forged, too_slow
from workers.writer.wiping import empty, wipe

HOPELESS: Final = 32  # so many bad pieces are no accident; writing them again would only take hours
JUDGED: Final = 16 * 1024 * 1024  # bytes that must have been moved before a card is called slow
_BOOT_SECTORS: Final = 64 * 1024
_FEW: Final = 8  # lost stamps: fewer may be bad blocks, so many are missing capacity

Result = TypeVar("Result")


class Source(Protocol):
    """An open image, for one thread at a time; `ranges` as in `docs/formats.md`."""

    @property
    def image_size(self) -> int: ...
    @property
    def ranges(self) -> Sequence[Range]: ...
    def read(self, wanted: Range, /) -> bytes | bytearray | memoryview:
        """Exactly the range's bytes, verified."""

    def read_into(self, wanted: Range, buffer: memoryview, /) -> None:
        """The same into a buffer of the range's length."""

    def finish(self) -> None:
        """Return once all of the image is here and proved; its beginning is written only then."""


def burn(source: Source, card: Card, report: Report, conditions: Conditions | None = None) -> BurnResult:
    """Write all ranges of `source` to `card`, which must be open and held exclusively, and read them back.

    Raises CardError (the card), SlotError (its reader), JobError (the image), HostError, or `Canceled`.
    Whatever goes wrong, the first 4 MiB are left empty where the card still allows it, so that nobody
    takes the card for a good one.
    """
    must_hold(card.size(), source.image_size, card.name)
    for first in source.ranges[:1]:
        source.read(first)  # a block map of another image shows here, before a byte of the card changes
    return _Burn(source, card, report, conditions or Conditions()).run()


class _Burn:
    def __init__(self, source: Source, card: Card, report: Report, conditions: Conditions) -> None:
        self._source = source
        self._report = report
        self._conditions = conditions
        self._traffic = Traffic(card, report, patience=conditions.patience, depth=conditions.depth)
        self._card = self._traffic.card
        self._plan = make_plan(
            source.ranges, image_size=source.image_size, card_size=card.size(), block=card.block
        )
        self._stamps = stamps.choose(
            self._plan,
            card_size=card.size(),
            image=stamps.image_of(source.ranges),
            count=conditions.stamps,
            number=conditions.number,
        )
        self._returns = Returns(self._traffic, self._stamps, report, conditions)
        self._expected: Digests = {each: each.sha256 or "" for each in _ranges(self._plan.zeros)}
        self._written: dict[Piece, None] = {}  # the journal: in the order in which they went to the card
        self._read: Digests = {}
        self._reading = threading.Lock()  # a read that hung when the card went may still be in the source
        self._bootable = False
        self._rewritten = 0
        self._skipped = 0

    def run(self) -> BurnResult:
        proved = False
        try:
            again = self._is_worth_comparing()
            erase = not again and erasable(self._card, self._conditions.discard)
            wipe(self._traffic, self._plan, self._stamps, self._report, erase=erase)
            if again:
                self._keep_what_is_right()
            write_rate = self._write(self._plan.body, self._plan.head)
            self._judge("writes", write_rate, self._conditions.min_write_rate, besides=self._skipped)
            read_rate = self._prove()
            self._judge("reads", read_rate, self._conditions.min_read_rate)
            proved = True
        finally:
            if not proved and self._bootable:
                self._make_unbootable()
        watch = self._traffic.watch
        return BurnResult(
            identity=self._card.identity(),
            written_bytes=total(self._source.ranges),
            read_back_sha256=digest_of_digests(self._read[each] for each in self._source.ranges),
            write_rate=write_rate,
            read_rate=read_rate,
            rewritten_ranges=self._rewritten,
            skipped_bytes=self._skipped,
            stamps=len(self._stamps.places),
            returns=self._returns.count,
            depth=watch.depth,
            write_latency=watch.written.facts(),
            read_latency=watch.read.facts(),
        )

    def _is_worth_comparing(self) -> bool:
        return self._conditions.differential and worth_comparing(
            self._traffic, self._plan.body, Quiet(self._report)
        )

    def _keep_what_is_right(self) -> None:
        right = self._steadily(lambda: right_already(self._traffic, self._plan.body, self._report))
        for piece in right:
            self._written[piece] = None
        self._expected.update((each, each.sha256 or "") for each in _ranges(right))
        self._skipped = total(right)

    def _write(self, body: Sequence[Piece], head: Sequence[Piece]) -> float:
        """Body, then head, each flushed; bytes per second. What the card refuses is left to the read-back."""
        pieces = (*body, *head)
        size = total(pieces) - total(piece for piece in pieces if piece in self._written)
        self._report.step(Step.WRITING, total(pieces))
        began = self._traffic.watch.busy
        self._steadily(lambda: self._write_pieces(body, 0))
        if head:
            self._source.finish()
            self._bootable = True
            self._steadily(lambda: self._write_pieces(head, total(body)))
        return self._rate(size, began)

    def _write_pieces(self, pieces: Sequence[Piece], before: int) -> None:
        """Those that the journal lacks, then a flush. `before`: bytes of this step that are behind us."""
        left = [piece for piece in pieces if piece not in self._written]
        done = before + total(pieces) - total(left)
        refused: list[Piece] = []
        with closing(self._traffic.write(left, self._fill)) as written:
            for piece, (digests, trouble) in written:
                self._report.check()
                self._expected.update(digests)
                self._written[piece] = None
                if trouble:
                    self._report.log(trouble.message)
                    refused.append(piece)
                    self._condemn_if_hopeless(refused, list(_ranges(refused)), 1)
                done += piece.length
                self._report.progress(done)
        self._traffic.alone(lambda: settle(self._card))

    def _steadily(self, work: Callable[[], Result]) -> Result:
        """Through resets of the reader: from the journal on, as often as the same card comes back."""
        while True:
            try:
                return work()
            except Gone as loss:
                self._recover(loss)

    def _recover(self, loss: Gone) -> None:
        try:
            self._returns.wait(loss)
            self._forget_lost()
        except Gone as again:
            if again is loss:
                raise
            self._recover(again)

    def _forget_lost(self) -> None:
        """What was written last and is not on the card leaves the journal."""
        last = recent(self._written)
        found = compare(self._traffic, last, self._expected, Quiet(self._report))
        for piece in found.bad_pieces(last):
            del self._written[piece]

    def _rate(self, size: int, began: float) -> float:
        """Over the seconds in which the card was at work: it need not answer for a slow download."""
        seconds = self._traffic.watch.busy - began
        return size / seconds if seconds > 0 else 0.0

    def _judge(self, verb: str, rate: float, limit: float, *, besides: int = 0) -> None:
        """Over the whole image, so that neither a cache nor a hiccup decides; nor a reader that was reset."""
        if not self._returns.count and limit > rate and total(self._source.ranges) - besides >= JUDGED:
            raise too_slow(self._card.name, verb, rate, limit)

    def _fill(self, piece: Piece, buffer: memoryview) -> Digests:
        """Put a piece's bytes into the buffer; runs ahead of the card, in a thread of its own."""
        end = 0
        for each in piece.ranges:
            start = each.offset - piece.offset
            buffer[end:start] = bytes(start - end)
            end = start + each.length
            if piece.blank:
                buffer[start:end] = bytes(each.length)
            else:
                with self._reading:
                    self._source.read_into(each, buffer[start:end])
        buffer[end : piece.length] = bytes(piece.length - end)
        if all(each.sha256 for each in piece.ranges):
            return {each: each.sha256 or "" for each in piece.ranges}
        return digests_of(piece, buffer)

    def _prove(self) -> float:
        """Read everything back, write again what differs; bytes per second of the first reading.

        After mending, everything is read once more: on a forged card, one place is another's second name,
        and what mends the one spoils the other.
        """
        pieces = sorted((*self._plan.mapped, *self._plan.zeros), key=lambda piece: piece.offset)
        began = self._traffic.watch.busy
        found = self._read_back(pieces)
        rate = self._rate(total(pieces), began)
        tries = 1
        while found.bad_ranges and tries <= self._conditions.rewrites:
            found = self._mend(found, pieces, tries)
            tries += 1
        if tries > 1 and not found.bad_ranges:
            found = self._read_back(pieces)
        if found.bad_ranges:
            raise BadBlocks(self._card.name, found.bad_ranges, tries=tries)
        self._find_stamps()
        return rate

    def _mend(self, found: Comparison, pieces: Sequence[Piece], tries: int) -> Comparison:
        bad = found.bad_ranges
        again = found.bad_pieces(pieces)
        self._condemn_if_hopeless(again, bad, tries)
        self._report.log(f"{self._card.name} differs at {addresses(bad)}; writing it again.")
        self._rewritten += len(bad)
        for piece in again:
            self._written.pop(piece, None)
        self._write(
            [piece for piece in again if piece.offset >= GRID],
            [piece for piece in again if piece.offset < GRID],
        )
        return self._read_back(again)

    def _read_back(self, pieces: Sequence[Piece]) -> Comparison:
        self._report.step(Step.READING_BACK, total(pieces))
        found = self._steadily(
            lambda: compare(self._traffic, pieces, self._expected, self._report, give_up_at=HOPELESS)
        )
        self._read.update(found.digests)
        return found

    def _find_stamps(self) -> None:
        """Free space is as large as the card says, even now that everything else was written."""
        lost = self._steadily(lambda: self._traffic.alone(lambda: self._stamps.lost(self._card)))
        if len(lost) >= min(_FEW, len(self._stamps.places)) > 0:
            raise forged(self._card.name, self._card.size(), lost)
        if lost:
            places = [Range(each, stamps.STAMP) for each in lost]
            raise BadBlocks(self._card.name, places, tries=1)

    def _condemn_if_hopeless(self, pieces: Sequence[Piece], bad: Sequence[Range], tries: int) -> None:
        if len(pieces) >= HOPELESS:
            raise BadBlocks(self._card.name, bad, tries=tries)

    def _make_unbootable(self) -> None:
        """Empty the first cell again, its beginning at once: whoever asked us to stop may not wait long.

        The failure that brought us here is what gets reported, not one of this. What came back in the card's
        place and is not proved to be it, or may not be written, is left as it is.
        """
        if not self._returns.trusted:
            self._report.log(f"What is in {self._card.name} now is left as it is; write the first card anew.")
            return
        head = self._plan.blanked[0].length
        try:
            for length in (min(_BOOT_SECTORS, head), head):
                self._traffic.alone(partial(empty, self._card, Range(0, length)), heeds_cancel=False)
        except WorkError as trouble:
            self._report.log(f"The beginning of the card could not be emptied again: {trouble.message}")


def _ranges(pieces: Iterable[Piece]) -> Iterator[Range]:
    return (each for piece in pieces for each in piece.ranges)
