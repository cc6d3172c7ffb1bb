"""Random blocks in free space: written first, read last. What is not there in the end never was.

A stamp is one block of 4096 bytes in space that neither the image nor the wiped ends of the card use:

    offset  length
         0       8  `IMGRSTMP`
         8      16  a number drawn for this one writing
        24      32  SHA-256 over the digests of the image's ranges; zeros if they are not known
        56       8  where on the card this stamp lies
        64       2  how many stamps there are
        66     8 N  where they all lie, ascending
               ...  SHAKE-256 of the first 64 bytes
      4064      32  SHA-256 of all before

All numbers are little-endian. Stamps stay on the card: no file system uses the place, and by them the card is
known again. As many as possible lie where the next image's writer looks: at sixteenths of the card, and just
before its wiped end.
"""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from workers.imaging.ranges import Range, subtract, total
from workers.writer.card import Card, aligned
from workers.writer.plan import BLANKED, Plan
from workers.writer.transfer import BadSpot, read_fully, write_fully
from workers.writer.verdicts import digest_of_digests

STAMP: Final = 4096
UNKNOWN_IMAGE: Final = "00" * 32
_MAGIC: Final = b"IMGRSTMP"
_HEAD: Final = struct.Struct("<8s16s32sQ")
_COUNT: Final = struct.Struct("<H")
_SUM: Final = 32
_MOST: Final = (STAMP - _HEAD.size - _COUNT.size - _SUM) // 8
_SIXTEENTHS: Final = 16


@dataclass(frozen=True, slots=True)
class Stamps:
    """The stamps of one writing. `places` ascend."""

    number: bytes
    image: str
    places: tuple[int, ...]

    def block(self, place: int) -> bytes:
        """The stamp that lies there."""
        head = _HEAD.pack(_MAGIC, self.number, bytes.fromhex(self.image), place)
        listed = _COUNT.pack(len(self.places)) + b"".join(each.to_bytes(8, "little") for each in self.places)
        filling = hashlib.shake_256(head).digest(STAMP - len(head) - len(listed) - _SUM)
        body = head + listed + filling
        return body + hashlib.sha256(body).digest()

    def write(self, card: Card) -> None:
        for place in self.places:
            self.write_at(place, card)

    def write_at(self, place: int, card: Card) -> None:
        """The stamp of that place alone."""
        buffer = aligned(STAMP)
        buffer[:] = self.block(place)
        write_fully(card, buffer, place)

    def lost(self, card: Card) -> list[int]:
        """The places whose stamp is not there (any more); each is asked twice."""
        return [each for each in self.places if not (self._is_at(card, each) or self._is_at(card, each))]

    def _is_at(self, card: Card, place: int) -> bool:
        return _read(card, place) == self.block(place)


def choose(plan: Plan, *, card_size: int, image: str, count: int, number: bytes) -> Stamps:
    """Places for `count` stamps, fewer where there is little room, spread over all free space."""
    free = _free(plan, card_size)
    fixed = [each for each in _known_places(card_size) if _fits(free, each)]
    dice = random.Random(number)  # noqa: S311 - places need not be secret
    places = {*fixed[:count], *_spread(free, max(0, count - len(fixed)), dice)}
    return Stamps(number, image, tuple(sorted(places)))


def image_of(ranges: Sequence[Range]) -> str:
    """What stamps call the image of these ranges."""
    if all(each.sha256 for each in ranges):
        return digest_of_digests(each.sha256 or "" for each in ranges)
    return UNKNOWN_IMAGE


def left_on(card: Card) -> str:
    """The number, in hex, of the writing that left a stamp on the card; empty if none is found."""
    for place in _known_places(card.size()):
        found = _found(card, place)
        if found is not None:
            return found.number.hex()
    return ""


def recognized(card: Card) -> Stamps | None:
    """The stamps that an earlier writing left, if every single one of them is in its place."""
    for place in _known_places(card.size()):
        found = _found(card, place)
        if found is not None:
            return None if found.lost(card) else found
    return None


def _known_places(card_size: int) -> list[int]:
    step = card_size // _SIXTEENTHS
    places = {step * number // STAMP * STAMP for number in range(1, _SIXTEENTHS)}
    places.add((card_size - BLANKED) // STAMP * STAMP - STAMP)
    return sorted(each for each in places if BLANKED <= each <= card_size - BLANKED - STAMP)


def _free(plan: Plan, card_size: int) -> list[Range]:
    pieces = (Range(each.offset, each.length) for each in plan.mapped)
    left = subtract([Range(0, card_size)], [*plan.blanked, *pieces])
    return [each for each in (_whole(each) for each in left) if each.length]


def _whole(each: Range) -> Range:
    """Its blocks that are entirely free."""
    start = -(-each.offset // STAMP) * STAMP
    return Range(start, max(0, each.end // STAMP * STAMP - start))


def _fits(free: Sequence[Range], place: int) -> bool:
    return any(each.offset <= place and place + STAMP <= each.end for each in free)


def _spread(free: Sequence[Range], count: int, dice: random.Random) -> Iterator[int]:
    """One block out of each of `count` equal parts of all free blocks."""
    blocks = total(free) // STAMP
    for part in range(min(count, blocks)):
        first = part * blocks // count
        yield _nth(free, dice.randrange(first, max(first + 1, (part + 1) * blocks // count)))


def _nth(free: Sequence[Range], number: int) -> int:
    for each in free:
        if number < each.length // STAMP:
            return each.offset + number * STAMP
        number -= each.length // STAMP
    raise ValueError("there are not that many free blocks")


def _read(card: Card, place: int) -> bytes | None:
    buffer = aligned(STAMP)
    try:
        read_fully(card, buffer, place)
    except BadSpot:
        return None
    return bytes(buffer)


def _found(card: Card, place: int) -> Stamps | None:
    """The stamps that the one at `place` tells of; None if none is there, or its places cannot be true."""
    found = _parse(_read(card, place), place)
    return found if found is not None and _could_be(found.places, place, card.size()) else None


def _could_be(places: Sequence[int], place: int, card_size: int) -> bool:
    """Whoever made the card may have written anything: no read may leave the card, or miss its blocks."""
    blocks = all(each % STAMP == 0 and each <= card_size - STAMP for each in places)
    return blocks and place in places and all(each < after for each, after in pairwise(places))


def _parse(data: bytes | None, place: int) -> Stamps | None:
    """Stamps out of what lies at `place`; None if that is none, or lies elsewhere than it says."""
    if data is None or hashlib.sha256(data[:-_SUM]).digest() != data[-_SUM:]:
        return None
    magic, number, image, lies = _HEAD.unpack_from(data)
    (count,) = _COUNT.unpack_from(data, _HEAD.size)
    if magic != _MAGIC or lies != place or count > _MOST:
        return None
    start = _HEAD.size + _COUNT.size
    places = struct.unpack_from(f"<{count}Q", data, start)
    return Stamps(number, image.hex(), places)
