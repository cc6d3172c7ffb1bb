"""Errors sorted by whose fault they are. Each names the thing, the limit and the next action."""

from __future__ import annotations

from workers.contract import Fault, Trouble


class WorkError(Exception):
    """A failure that we can name. `code` is stable and machine-readable, the message is for people."""

    fault = Fault.BUG
    exit_code = 1

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def trouble(self) -> Trouble:
        """The failure in the shape that a report carries."""
        return {"fault": self.fault.value, "code": self.code, "message": self.message}


class JobError(WorkError):
    """The order or its inputs are wrong; trying again elsewhere gives the same."""

    fault = Fault.JOB
    exit_code = 3


class HostError(WorkError):
    """This host cannot (disk full, no network, missing program)."""

    fault = Fault.HOST
    exit_code = 4


class SlotError(WorkError):
    """This slot or its reader cannot (no reader, a system disk, busy, guard refused)."""

    fault = Fault.SLOT
    exit_code = 5


class CardError(WorkError):
    """This card cannot (too small, write-protected, bad blocks, pulled out)."""

    fault = Fault.CARD
    exit_code = 6


class Canceled(WorkError):
    """Somebody asked to stop, and we did."""

    exit_code = 7

    def __init__(self, message: str = "canceled") -> None:
        super().__init__("canceled", message)
