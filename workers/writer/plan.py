"""Which pieces of an image go where: at most one grid cell each, whole blocks, the first cell apart."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from workers.errors import JobError
from workers.imaging.ranges import GRID, Range, cut, subtract

# A gap this small costs less to fill with zeros than a write command of its own.
# It is free space of the image's file systems: nothing reads it.
SMALL_GAP: Final = 32 * 1024
# The old card's partition tables and file system heads end here; so does a GPT's copy, counted from the end.
BLANKED: Final = GRID


@dataclass(frozen=True, slots=True)
class Piece:
    """One write and one read: `length` bytes at `offset`, holding these ranges; zeros between them.

    `blank`: the ranges are not of the image, but what was zeroed before it.
    """

    offset: int
    length: int
    ranges: tuple[Range, ...]
    blank: bool = False

    @property
    def end(self) -> int:
        return self.offset + self.length


@dataclass(frozen=True, slots=True)
class Plan:
    """`blanked`: what is zeroed first; `head`: written last; `zeros`: what must still be zero in the end."""

    blanked: tuple[Range, ...]
    body: tuple[Piece, ...]
    head: tuple[Piece, ...]
    zeros: tuple[Piece, ...]

    @property
    def mapped(self) -> tuple[Piece, ...]:
        """All pieces of the image, ascending."""
        return self.head + self.body


def make_plan(ranges: Sequence[Range], *, image_size: int, card_size: int, block: int) -> Plan:
    """Ranges as in `docs/formats.md`, or JobError `bad_ranges`; a card at least as large as the image."""
    _check(ranges, image_size, block)
    pieces = tuple(_pieces(ranges, block))
    blanked = tuple(_blanked(card_size, block))
    return Plan(
        blanked=blanked,
        body=tuple(piece for piece in pieces if piece.offset >= GRID),
        head=tuple(piece for piece in pieces if piece.offset < GRID),
        zeros=tuple(_zeros(blanked, pieces)),
    )


def _check(ranges: Sequence[Range], image_size: int, block: int) -> None:
    end = 0
    for each in ranges:
        whole = each.offset % block == 0 and (each.length % block == 0 or each.end == image_size)
        one_cell = each.length > 0 and each.offset // GRID == (each.end - 1) // GRID
        if not (whole and one_cell and end <= each.offset and each.end <= image_size):
            raise JobError(
                "bad_ranges",
                f"The block map's range at byte {each.offset} ({each.length} bytes) does not fit an image of "
                f"{image_size} bytes in blocks of {block}; make the image again.",
            )
        end = each.end


def _pieces(ranges: Iterable[Range], block: int) -> Iterator[Piece]:
    group: list[Range] = []
    for each in ranges:
        if group and not _belongs(group[-1], each):
            yield _piece(group, block)
            group = []
        group.append(each)
    if group:
        yield _piece(group, block)


def _belongs(last: Range, following: Range) -> bool:
    return following.offset // GRID == last.offset // GRID and following.offset - last.end <= SMALL_GAP


def _piece(group: list[Range], block: int) -> Piece:
    start = group[0].offset
    length = group[-1].end - start
    return Piece(start, -(-length // block) * block, tuple(group))


def _blanked(card_size: int, block: int) -> Iterator[Range]:
    head = min(BLANKED, card_size)
    yield Range(0, head)
    tail = max(head, (card_size - BLANKED) // block * block)
    yield from cut([Range(tail, card_size - tail)] if tail < card_size else [])


def _zeros(blanked: Iterable[Range], pieces: Iterable[Piece]) -> Iterator[Piece]:
    written = (Range(piece.offset, piece.length) for piece in pieces)
    for each in cut(subtract(blanked, written)):
        digest = hashlib.sha256(bytes(each.length)).hexdigest()
        yield Piece(each.offset, each.length, (Range(each.offset, each.length, digest),), blank=True)
