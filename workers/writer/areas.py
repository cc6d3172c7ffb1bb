"""Where on a card something is wrong, in words: by the partitions of its own table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workers.imaging.contents import parts
from workers.imaging.ranges import Range
from workers.imaging.sizes import readable
from workers.writer.card import Card

_BETWEEN = "partition table, and what lies between partitions"


@dataclass(frozen=True, slots=True)
class Area:
    """A partition, or what belongs to none; `first`: the first byte that is wrong there."""

    name: str
    ranges: int
    size: int
    first: int

    def __str__(self) -> str:
        return f"{self.name}: {self.ranges} ranges, {readable(self.size)}, the first at byte {self.first}"


def areas_of(card: Card, bad: Sequence[Range]) -> list[Area]:
    """Each area in which one of these ranges begins, in their order."""
    try:
        known = parts(card.name, card.size())
    except OSError:  # the table itself cannot be read: then it knows no partitions
        known = []
    found: dict[str, list[Range]] = {}
    for each in bad:
        names = [
            f"partition {number} ({name})"
            for number, (name, part) in enumerate(known, 1)
            if part.start <= each.offset < part.start + part.size
        ]
        found.setdefault(names[0] if names else _BETWEEN, []).append(each)
    return [
        Area(name, len(those), sum(each.length for each in those), those[0].offset)
        for name, those in found.items()
    ]
