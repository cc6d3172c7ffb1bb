"""What condemns a card, in words that name the place, the limit and the next action."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from workers.errors import CardError
from workers.imaging.ranges import Range
from workers.imaging.sizes import readable

_SHOWN: Final = 8


class BadBlocks(CardError):
    """The card does not keep these ranges, however often they are written."""

    def __init__(self, name: str, ranges: Sequence[Range], *, tries: int) -> None:
        self.ranges = tuple(ranges)
        super().__init__(
            "bad_blocks",
            f"The card in {name} does not keep what is written at {addresses(ranges)} "
            f"({tries} tries); take another card and throw this one away.",
        )


def addresses(ranges: Sequence[Range]) -> str:
    """`bytes 4194304-8388607, 12582912-12587007 and 3 more places`."""
    words = [f"{each.offset}-{each.end - 1}" for each in ranges[:_SHOWN]]
    more = f" and {len(ranges) - _SHOWN} more places" if len(ranges) > _SHOWN else ""
    return f"bytes {', '.join(words)}{more}"


def digest_of_digests(digests: Iterable[str]) -> str:
    """One digest for a whole card: over the ranges' digests (32 bytes each) in the order of the block map."""
    return hashlib.sha256(b"".join(bytes.fromhex(each) for each in digests)).hexdigest()


def too_slow(name: str, verb: str, rate: float, limit: float) -> CardError:
    """`verb`: what it did slowly, `writes` or `reads`."""
    return CardError(
        "too_slow",
        f"The card in {name} {verb} {readable(rate)} a second, but this order asks for {readable(limit)}; "
        "take a faster card. If all cards are slow in this slot, look at its reader and USB port.",
    )


def forged(name: str, size: int, lost: Sequence[int]) -> CardError:
    """`lost`: addresses of stamps that are not there any more."""
    return CardError(
        "fake_capacity",
        f"The card in {name} claims {size} bytes, but {len(lost)} places that were written do not exist or "
        f"are others' second names (byte {lost[0]} is the first); it is a forgery: take another.",
    )
