"""A block map that stands for its image: enough to judge a card, where each range has its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from workers.errors import JobError
from workers.imaging.per_card import UNSET, Change, changes_of
from workers.imaging.ranges import GRID, Range, cut
from workers.imaging.source import Papers
from workers.report import Report
from workers.writer.card import Card, aligned
from workers.writer.personal import range_of, wanted_on
from workers.writer.traffic import Traffic
from workers.writer.transfer import BadSpot, read_fully

_NEVER: Final = "0" * 64  # the digest of nothing that anybody knows


@dataclass(frozen=True, slots=True)
class Chart:
    """A source without bytes."""

    image_size: int
    ranges: Sequence[Range]

    def read(self, wanted: Range, /) -> bytes:
        raise ValueError(f"{wanted} has no digest and there is no image to compute it from")

    def read_into(self, wanted: Range, _buffer: memoryview, /) -> None:
        self.read(wanted)

    def finish(self) -> None:
        """There is no more than the map."""

    def close(self) -> None:
        """Nothing is open."""


def chart_of(papers: Papers, card: Card, serial: str, report: Report) -> Chart:
    """What must be on this card; JobError `no_digests`, `serial_missing`, `bad_manifest`.

    Where the map has one digest for more than we compare at once, or for what is this card's own, the card
    is read first: if the whole is right, so are the digests of its parts.
    """
    if papers.bmap is None:
        raise AssertionError("papers without an image have a map")
    if not all(each.sha256 for each in papers.bmap.ranges):
        raise JobError("no_digests", "The block map has no digests; give the image itself.")
    changes = [
        pair
        for each in wanted_on(papers.manifest, serial)
        for pair in zip(
            changes_of(each.content, UNSET, at=each.at, size_at=each.size_at),
            changes_of(each.content, serial, at=each.at, size_at=each.size_at),
            strict=True,
        )
    ]
    _refuse_lost([change for pair in changes for change in pair], papers.bmap.ranges)
    traffic = Traffic(card, report)
    ranges: list[Range] = []
    for each in papers.bmap.ranges:
        report.check()
        inside = [pair for pair in changes if each.offset <= pair[0].offset and pair[0].end <= each.end]
        if _is_long(each):
            ranges += _parts(traffic, each)
        else:
            ranges.append(_own(traffic, each, inside) if inside else each)
    return Chart(papers.bmap.image_size, ranges)


def _refuse_lost(changes: Sequence[Change], ranges: Sequence[Range]) -> None:
    """Raise for what could not be compared: a card without its own data must not be called good."""
    if any(_is_long(range_of(change, ranges)) for change in changes):
        raise JobError(
            "no_digests",
            f"The block map has one digest for more than {GRID} bytes around a file of each card; give the "
            "image itself.",
        )


def _is_long(each: Range) -> bool:
    """More than we compare at once."""
    return each.offset // GRID != (each.end - 1) // GRID


def _own(traffic: Traffic, each: Range, changes: Sequence[tuple[Change, Change]]) -> Range:
    """With this card's data in place of the image's, if all else is the image's."""
    found = _read(traffic, each)
    if found is None:
        return each
    for before, _ in changes:
        _put(found, each, before)
    if hashlib.sha256(found).hexdigest() != each.sha256:
        return each
    for _, after in changes:
        _put(found, each, after)
    return replace(each, sha256=hashlib.sha256(found).hexdigest())


def _put(data: bytearray, each: Range, change: Change) -> None:
    start = change.offset - each.offset
    data[start : start + len(change.data)] = change.data


def _parts(traffic: Traffic, each: Range) -> list[Range]:
    """A range of a foreign map in pieces that we compare."""
    whole = hashlib.sha256()
    pieces = []
    for piece in cut([each]):
        found = _read(traffic, piece) or b""
        whole.update(found)
        pieces.append(replace(piece, sha256=hashlib.sha256(found).hexdigest()))
    right = whole.hexdigest() == each.sha256
    return pieces if right else [replace(piece, sha256=_NEVER) for piece in pieces]


def _read(traffic: Traffic, each: Range) -> bytearray | None:
    """The bytes on the card; None where it cannot be read."""
    card = traffic.card
    buffer = aligned(-(-each.length // card.block) * card.block)
    try:
        traffic.alone(partial(read_fully, card, buffer, each.offset))
    except BadSpot:
        return None
    return bytearray(buffer[: each.length])
