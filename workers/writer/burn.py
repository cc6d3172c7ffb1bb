"""Write an image to a card and prove it: wipe, write, read everything back, mend, or condemn the card."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, Protocol

from workers.contract import CardResult, Step
from workers.errors import CardError, WorkError
from workers.imaging.ranges import GRID, Range, total
from workers.report import Report
from workers.writer.card import Card, aligned
from workers.writer.compare import Comparison, Digests, compare, digests_of
from workers.writer.guards import must_hold
from workers.writer.identity import Identity
from workers.writer.pipeline import ahead
from workers.writer.plan import Piece, make_plan
from workers.writer.probe import prove_writable
from workers.writer.transfer import BadSpot, settle, write_fully

HOPELESS: Final = 32  # so many bad ranges are no accident; writing them again would only take hours
_BOOT_SECTORS: Final = 64 * 1024
_SHOWN: Final = 8


class Source(Protocol):
    """An open image. `read` gives exactly the range's bytes, verified; `ranges` as in `docs/formats.md`."""

    @property
    def image_size(self) -> int: ...
    @property
    def ranges(self) -> Sequence[Range]: ...
    def read(self, wanted: Range, /) -> bytes | bytearray | memoryview: ...


class BadBlocks(CardError):
    """The card does not keep these ranges, however often they are written."""

    def __init__(self, card: Card, ranges: Sequence[Range], *, tries: int) -> None:
        self.ranges = tuple(ranges)
        super().__init__(
            "bad_blocks",
            f"The card in {card.name} does not keep what is written at {addresses(ranges)} "
            f"({tries} tries); take another card and throw this one away.",
        )


@dataclass(frozen=True, slots=True)
class BurnResult:
    """What was proved. `read_back_sha256`: SHA-256 over the binary digests of all mapped ranges, ascending,
    each as it was read from the card. `written_bytes` counts mapped bytes once; rates are bytes per second.
    """

    identity: Identity
    written_bytes: int
    read_back_sha256: str
    write_rate: float
    read_rate: float
    rewritten_ranges: int

    def as_result(self, slot: str) -> CardResult:
        """In the shape that a report carries."""
        device: dict[str, Any] = self.identity.facts()
        return {
            "slot": slot,
            "diskseq": self.identity.diskseq,
            "card_bytes": self.identity.size,
            "device": device,
            "written_bytes": self.written_bytes,
            "read_back_sha256": self.read_back_sha256,
            "write_rate": self.write_rate,
            "read_rate": self.read_rate,
            "rewritten_ranges": self.rewritten_ranges,
        }


def burn(source: Source, card: Card, report: Report, *, rewrites: int = 2) -> BurnResult:
    """Write all ranges of `source` to `card`, which must be open and held exclusively, and read them back.

    Raises CardError (the card), JobError (the image), HostError, or `Canceled`. Whatever goes wrong, the
    first 4 MiB are left empty where the card still allows it, so that nobody takes the card for a good one.
    """
    must_hold(card.size(), source.image_size, card.name)
    for first in source.ranges[:1]:
        source.read(first)  # a block map of another image shows here, before a byte of the card changes
    return _Burn(source, card, report, rewrites).run()


def addresses(ranges: Sequence[Range]) -> str:
    """`bytes 4194304-8388607, 12582912-12587007 and 3 more places`."""
    words = [f"{each.offset}-{each.end - 1}" for each in ranges[:_SHOWN]]
    more = f" and {len(ranges) - _SHOWN} more places" if len(ranges) > _SHOWN else ""
    return f"bytes {', '.join(words)}{more}"


def digest_of_digests(digests: Iterable[str]) -> str:
    """One digest for a whole card: over the ranges' digests (32 bytes each) in the order of the block map."""
    return hashlib.sha256(b"".join(bytes.fromhex(each) for each in digests)).hexdigest()


class _Burn:
    def __init__(self, source: Source, card: Card, report: Report, rewrites: int) -> None:
        self._source = source
        self._card = card
        self._report = report
        self._rewrites = rewrites
        self._plan = make_plan(
            source.ranges, image_size=source.image_size, card_size=card.size(), block=card.block
        )
        self._expected: Digests = {}
        self._read: Digests = {}
        self._bootable = False
        self._rewritten = 0

    def run(self) -> BurnResult:
        proved = False
        try:
            self._wipe()
            write_rate = self._write(self._plan.body, self._plan.head)
            read_rate = self._prove()
            proved = True
        finally:
            if not proved and self._bootable:
                self._make_unbootable()
        return BurnResult(
            identity=self._card.identity(),
            written_bytes=total(self._source.ranges),
            read_back_sha256=digest_of_digests(self._read[each] for each in self._source.ranges),
            write_rate=write_rate,
            read_rate=read_rate,
            rewritten_ranges=self._rewritten,
        )

    def _wipe(self) -> None:
        blanked = self._plan.blanked
        self._report.step(Step.WIPING, total(blanked))
        prove_writable(self._card)
        done = 0
        for each in blanked:
            self._report.check()
            write_fully(self._card, aligned(each.length), each.offset)
            done += each.length
            self._report.progress(done)
        settle(self._card)
        self._expected.update(
            (each, each.sha256 or "") for piece in self._plan.zeros for each in piece.ranges
        )

    def _write(self, body: Sequence[Piece], head: Sequence[Piece]) -> float:
        """Body, then head, each flushed; bytes per second. What the card refuses is left to the read-back."""
        size = sum(piece.length for piece in (*body, *head))
        self._report.step(Step.WRITING, size)
        began = time.perf_counter()
        done = self._write_pieces(body, 0)
        settle(self._card)
        if head:
            self._bootable = True
            self._write_pieces(head, done)
            settle(self._card)
        return _rate(size, began)

    def _write_pieces(self, pieces: Sequence[Piece], done: int) -> int:
        refused: list[Range] = []
        with closing(ahead(pieces, self._fill)) as filled:
            for piece, digests, buffer in filled:
                self._report.check()
                self._expected.update(digests)
                try:
                    write_fully(self._card, buffer[: piece.length], piece.offset)
                except BadSpot as trouble:
                    self._report.log(trouble.message)
                    refused += piece.ranges
                    self._condemn_if_hopeless(refused, 1)
                done += piece.length
                self._report.progress(done)
        return done

    def _fill(self, piece: Piece, buffer: memoryview) -> Digests:
        """Put a piece's bytes into the buffer; runs ahead of the card, in a thread of its own."""
        end = 0
        for each in piece.ranges:
            start = each.offset - piece.offset
            buffer[end:start] = bytes(start - end)
            end = start + each.length
            buffer[start:end] = bytes(each.length) if piece.blank else self._source.read(each)
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
        began = time.perf_counter()
        found = self._read_back(pieces)
        rate = _rate(sum(piece.length for piece in pieces), began)
        tries = 1
        while found.bad_ranges and tries <= self._rewrites:
            found = self._mend(found, pieces, tries)
            tries += 1
        if tries > 1 and not found.bad_ranges:
            found = self._read_back(pieces)
        if found.bad_ranges:
            raise BadBlocks(self._card, found.bad_ranges, tries=tries)
        return rate

    def _mend(self, found: Comparison, pieces: Sequence[Piece], tries: int) -> Comparison:
        bad = found.bad_ranges
        self._condemn_if_hopeless(bad, tries)
        self._report.log(f"{self._card.name} differs at {addresses(bad)}; writing it again.")
        self._rewritten += len(bad)
        again = found.bad_pieces(pieces)
        self._write(
            [piece for piece in again if piece.offset >= GRID],
            [piece for piece in again if piece.offset < GRID],
        )
        return self._read_back(again)

    def _read_back(self, pieces: Sequence[Piece]) -> Comparison:
        self._report.step(Step.READING_BACK, sum(piece.length for piece in pieces))
        found = compare(self._card, pieces, self._expected, self._report, give_up_at=HOPELESS)
        self._read.update(found.digests)
        return found

    def _condemn_if_hopeless(self, bad: Sequence[Range], tries: int) -> None:
        if len(bad) >= HOPELESS:
            raise BadBlocks(self._card, bad, tries=tries)

    def _make_unbootable(self) -> None:
        """Empty the first cell again, its beginning at once: whoever asked us to stop may not wait long.

        The failure that brought us here is what gets reported, not one of this.
        """
        head = self._plan.blanked[0].length
        try:
            for length in (min(_BOOT_SECTORS, head), head):
                write_fully(self._card, aligned(length), 0)
                settle(self._card)
        except WorkError as trouble:
            self._report.log(f"The beginning of the card could not be emptied again: {trouble.message}")


def _rate(size: int, began: float) -> float:
    seconds = time.perf_counter() - began
    return size / seconds if seconds > 0 else 0.0
