"""A quick look whether a card keeps what it is given, before hours are spent on it."""

from __future__ import annotations

import os
from typing import Final

from workers.errors import CardError
from workers.writer.card import Card, aligned
from workers.writer.transfer import read_fully, settle, write_fully

_STAMP: Final = 4096


def prove_writable(card: Card) -> None:
    """Stamp the first and the last block with random bytes and read them back from the card.

    Overwrites both. CardError `ignores_writes`: a worn or locked card that only pretends to write.
    CardError `fake_capacity`: the end does not exist, or is another name of the beginning.
    """
    stamp = max(_STAMP, card.block)
    last = (card.size() - stamp) // card.block * card.block
    if last < stamp:
        return
    written = {offset: os.urandom(stamp) for offset in (0, last)}
    for offset in (last, 0):
        _write(card, written[offset], offset)
    settle(card)
    if _read(card, stamp, 0) != written[0]:
        raise CardError(
            "ignores_writes",
            f"The card in {card.name} accepts data but does not keep it: worn out or locked; take another.",
        )
    if _read(card, stamp, last) != written[last]:
        raise CardError(
            "fake_capacity",
            f"The card in {card.name} claims {card.size()} bytes but its end does not exist; "
            "it is a forgery: take another.",
        )


def _write(card: Card, data: bytes, offset: int) -> None:
    buffer = aligned(len(data))
    buffer[:] = data
    write_fully(card, buffer, offset)


def _read(card: Card, length: int, offset: int) -> bytes:
    buffer = aligned(length)
    read_fully(card, buffer, offset)
    return bytes(buffer)
