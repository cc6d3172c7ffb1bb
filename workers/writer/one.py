"""The process that writes one card for `workers.writer.write`: `python -m workers.writer.one EVENTS`.

The order comes as one JSON line on stdin, events go to the file descriptor EVENTS. When stdin ends, the
parent is gone and the writing is canceled; so it is on SIGTERM.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from workers.contract import Fault
from workers.errors import Canceled, WorkError
from workers.imaging.devices import Devices
from workers.imaging.source import open_arriving, open_source
from workers.pipe import PipeReport
from workers.report import Report
from workers.writer import guards
from workers.writer.burn import burn
from workers.writer.card import BlockCard, FileCard
from workers.writer.conditions import AWAY, Conditions
from workers.writer.identity import Identity
from workers.writer.opening import Candidate, check, look, open_candidate
from workers.writer.personal import personal
from workers.writer.result import BurnResult
from workers.writer.slots import SlotConfig, reopen
from workers.writer.terms import host_error

_NAME: Final = "card"


@dataclass(frozen=True, slots=True)
class CardOrder:
    """One image for one device: the device as it was when somebody agreed to overwrite it."""

    image: str
    bmap: str | None
    signing_key: str | None
    device: str
    identity: Identity
    allow_non_removable: bool
    serial: str = ""
    min_write_rate: float = 0
    min_read_rate: float = 0
    differential: bool = True
    discard: bool | None = None
    arriving: bool = False
    away: float = AWAY

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: bytes) -> CardOrder:
        told = json.loads(text)
        return cls(**{**told, "identity": Identity(**told["identity"])})


def write_one(order: CardOrder, report: Report) -> BurnResult:
    """Open image and card, check everything again, write."""
    devices = Devices()
    bmap = Path(order.bmap) if order.bmap else None
    if order.arriving and order.signing_key:
        source = open_arriving(Path(order.image), signing_key=order.signing_key, check=report.check)
    else:
        source = open_source(Path(order.image), bmap=bmap, signing_key=order.signing_key)
    try:
        candidate = look(order.device, devices)
        guards.must_be_the_same(candidate.identity, order.identity)
        check(candidate, devices, allow_non_removable=order.allow_non_removable)
        own = personal(source, order.serial)
        with open_candidate(candidate, devices) as card:
            conditions = Conditions(
                min_write_rate=order.min_write_rate,
                min_read_rate=order.min_read_rate,
                differential=order.differential,
                discard=order.discard,
                away=order.away,
                returning=_Return(_slot_of(candidate), card),
            )
            return burn(own, card, report, conditions)
    finally:
        source.close()


class _Return:
    """The person at the terminal has agreed to overwrite this card, and it is this card that comes back."""

    def __init__(self, slot: SlotConfig, card: BlockCard | FileCard) -> None:
        self._slot = slot
        self._card = card

    def reopen(self) -> bool:
        return reopen(self._slot, self._card)

    def permitted(self) -> None:
        """Nobody else is asked."""


def _slot_of(candidate: Candidate) -> SlotConfig:
    """Where it comes back: at the same USB port, whatever it is called then."""
    port, disk = candidate.identity.port, candidate.disk
    if port and disk:
        return SlotConfig(_NAME, port=f"{port}#{disk.lun}")
    return SlotConfig(_NAME, device=candidate.path)


def main(arguments: list[str]) -> int:
    """Exit code by fault; how it ended is also told as the last event."""
    events = int(arguments[0])
    os.set_inheritable(events, False)
    report = PipeReport(events)
    signal.signal(signal.SIGTERM, lambda *_: report.cancel())
    order = CardOrder.from_json(sys.stdin.buffer.readline())
    threading.Thread(target=_cancel_with_stdin, args=(report,), daemon=True).start()
    try:
        return _tell(order, report)
    finally:
        os.close(events)  # the last word is said, even if a call that hangs in the kernel keeps us


def _tell(order: CardOrder, report: PipeReport) -> int:
    try:
        report.result(dict(write_one(order, report).as_result(order.device)))
    except Canceled:
        report.canceled()
        return Canceled.exit_code
    except WorkError as error:
        report.trouble(error.trouble())
        return error.exit_code
    except OSError as error:
        named = host_error(error)
        report.trouble(named.trouble())
        return named.exit_code
    except Exception as error:  # noqa: BLE001 - the one catch-all of this process: reported as ours
        for line in traceback.format_exc().splitlines():
            report.log(line)
        message = f"An error of ours, {type(error).__name__}: {error}; please report it with the lines above."
        report.trouble({"fault": Fault.BUG.value, "code": "bug", "message": message})
        return WorkError.exit_code
    return 0


def _cancel_with_stdin(report: PipeReport) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        continue
    report.cancel()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
