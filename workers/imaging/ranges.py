"""Byte ranges of an image: ascending, disjoint, on the 4 MiB grid that all formats share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

GRID: Final = 4 * 1024 * 1024  # no range crosses a multiple of this; also the container's frame
BLOCK: Final = 4096  # ranges begin and end on blocks, but for the image's own end


@dataclass(frozen=True, slots=True)
class Range:
    """`length` bytes of an image from `offset`; their SHA-256 in hex where it is known."""

    offset: int
    length: int
    sha256: str | None = None

    @property
    def end(self) -> int:
        return self.offset + self.length


class Long(Protocol):
    """Something of so many bytes."""

    @property
    def length(self) -> int: ...


def total(ranges: Iterable[Long]) -> int:
    """Bytes in all of them together."""
    return sum(each.length for each in ranges)


def merge(ranges: Iterable[Range]) -> list[Range]:
    """The union, ascending; touching ranges become one. Digests are dropped: they no longer fit."""
    spans: list[tuple[int, int]] = []
    for start, end in sorted((each.offset, each.end) for each in ranges if each.length > 0):
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return [Range(start, end - start) for start, end in spans]


def round_out(ranges: Iterable[Range], size: int, block: int = BLOCK) -> Iterator[Range]:
    """Each range widened to whole blocks, but not beyond an image of `size` bytes."""
    for each in ranges:
        start = each.offset // block * block
        end = min(-(-each.end // block) * block, size)
        if start < end:
            yield Range(start, end - start)


def cut(ranges: Iterable[Range], grid: int = GRID) -> Iterator[Range]:
    """The same bytes, cut at each multiple of `grid`. What is cut loses its digest."""
    for each in ranges:
        start = each.offset
        while start < each.end:
            end = min(each.end, (start // grid + 1) * grid)
            yield each if end - start == each.length else Range(start, end - start)
            start = end


def subtract(ranges: Iterable[Range], taken: Iterable[Range]) -> list[Range]:
    """What of `ranges` is not in `taken`."""
    away = merge(taken)
    left: list[Range] = []
    at = 0
    for each in merge(ranges):
        start = each.offset
        while at < len(away) and away[at].end <= start:
            at += 1
        index = at
        while index < len(away) and away[index].offset < each.end:
            if start < away[index].offset:
                left.append(Range(start, away[index].offset - start))
            start = max(start, away[index].end)
            index += 1
        if start < each.end:
            left.append(Range(start, each.end - start))
    return left


def tidy(ranges: Iterable[Range], size: int) -> list[Range]:
    """Any ranges → the form of `docs/formats.md`: whole blocks, ascending, disjoint, cut on the grid."""
    return list(cut(merge(round_out(ranges, size))))
