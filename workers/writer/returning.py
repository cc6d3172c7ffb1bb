"""A card that went away with its reader and came back: the same card, or nothing is written to it.

Cheap readers are reset by the kernel in the middle of a write, get a new device name and a new `diskseq`, and
are back within seconds. Going on is safe if what came back is the same card: of the same size, with a stamp
that holds the random number of this very writing, which no other card has. What was written last may have
been lost in the reader's memory: it is read back and, where it differs, written again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from workers.errors import SlotError
from workers.report import Report
from workers.writer.conditions import Conditions
from workers.writer.plan import Piece
from workers.writer.stamps import Stamps
from workers.writer.traffic import Traffic
from workers.writer.transfer import Gone

MOST: Final = 3  # returns in one writing; more often, the reader is not fit for use
RECENT: Final = 64 * 1024 * 1024  # bytes that may still have been in the reader's memory when it was reset
_POLL: Final = 0.5  # seconds between two looks whether the reader is back


class Returns:
    """The returns of one card within one writing."""

    def __init__(self, traffic: Traffic, stamps: Stamps, report: Report, conditions: Conditions) -> None:
        self.count = 0
        self.trusted = True  # whether what is open is our card, and may be written
        self._traffic = traffic
        self._stamps = stamps
        self._report = report
        self._conditions = conditions
        self._size = traffic.card.size()

    def wait(self, loss: Gone) -> None:
        """Until the same card is back and may be written on. Raises `loss` if it does not come back."""
        way = self._conditions.returning
        if way is None or not self._stamps.places or self.count >= MOST:
            raise loss
        self.count += 1
        name = self._traffic.card.name
        self._report.log(f"The card in {name} is gone; waiting {self._conditions.away:.0f} s for its return.")
        give_up = time.monotonic() + self._conditions.away
        self.trusted = False  # from the first look on, anything may be open
        while not self._reopened():
            self._report.check()
            if time.monotonic() > give_up:
                raise loss
            time.sleep(min(_POLL, self._conditions.away))
        self._prove_same()
        way.permitted()
        self.trusted = True
        self._report.log(f"The same card is back in {self._traffic.card.name}; going on.")

    def _reopened(self) -> bool:
        way = self._conditions.returning

        def attempt() -> bool:
            with self._traffic.watch.call():
                return way is not None and way.reopen()

        return self._traffic.alone(attempt)

    def _prove_same(self) -> None:
        card = self._traffic.card
        if card.size() == self._size:
            lost = self._traffic.alone(lambda: self._stamps.lost(card))
            if len(lost) < len(self._stamps.places):
                return
        raise SlotError(
            "other_card",
            f"Another card came back in {card.name}; nothing was written to it. Confirm it anew, or insert "
            "the first one and start again.",
        )


def recent(written: Iterable[Piece]) -> list[Piece]:
    """Of pieces in the order in which they were written, the last whose bytes may have been lost."""
    found: list[Piece] = []
    left = RECENT
    for piece in reversed(list(written)):
        if left <= 0:
            break
        found.append(piece)
        left -= piece.length
    return found[::-1]
