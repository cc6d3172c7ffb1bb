"""Before an image is written: let the card erase what nobody needs, where it truly can.

Cells that are known to be free are written faster, and what the card held before does not stay on it. That is
all: nothing here is trusted. Cards answer a discard with zeros, with old bytes or with others, at once or
later; whatever must be zero is written, and everything that matters is read back.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Final

from workers.imaging import sysfs
from workers.imaging.ranges import Range
from workers.imaging.sizes import readable
from workers.report import Report
from workers.writer.card import Card
from workers.writer.plan import Plan
from workers.writer.traffic import Traffic
from workers.writer.transfer import gone

PIECE: Final = 1 << 25  # bytes at a time, so that a cancel is heard between two, within two seconds
PATIENCE: Final = 30.0  # seconds in all; a card that needs longer gains nothing by it
_VIRTUAL: Final = "/devices/virtual/"


def erasable(card: Card, wanted: bool | None) -> bool:
    """Whether to ask it: never against somebody's word, and by ourselves only where it is a real card.

    What a loop device gives up are holes in somebody's file, which only make it slower.
    """
    place = card.identity().place
    if wanted is None and _VIRTUAL in place:
        return False
    queue = Path(place) / "queue"
    facts = [sysfs.read(queue / name) for name in ("discard_max_bytes", "discard_granularity")]
    return wanted is not False and all(each.isdecimal() and int(each) > 0 for each in facts)


def discard(traffic: Traffic, plan: Plan, report: Report) -> None:
    """All between the zeroed ends. A card that refuses, or takes too long, is written without."""
    start = plan.blanked[0].end
    end = min((each.offset for each in plan.blanked[1:]), default=start)
    began = time.monotonic()
    for offset in range(start, end, PIECE):
        report.check()
        if time.monotonic() - began > PATIENCE:
            report.log(f"Erasing takes too long; from {readable(offset)} on the card is written without it.")
            return
        place = Range(offset, min(PIECE, end - offset))
        refusal = traffic.alone(partial(_discard, traffic.card, place))
        if refusal:
            report.log(f"{traffic.card.name} does not erase ({refusal}); it is written without it.")
            return


def _discard(card: Card, place: Range) -> str:
    """Why not; nothing if it was done."""
    try:
        card.discard(place.offset, place.length)
    except OSError as error:
        if not card.present():
            raise gone(card) from error
        return error.strerror or str(error)
    return ""
