"""One process per card: each at its own speed, none held up by another, none lost with another."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from workers.contract import Fault, Trouble
from workers.errors import Canceled, SlotError, WorkError
from workers.writer.display import Display
from workers.writer.one import CardOrder

_PATIENCE: Final = 30  # seconds after a wish to stop; a reader may hang for long inside the kernel


@dataclass
class Outcome:
    """How it ended for one device: `result` (a CardResult), or `trouble`, or neither if canceled."""

    device: str
    exit_code: int = WorkError.exit_code
    result: dict[str, Any] | None = None
    trouble: Trouble | None = None


class Crew:
    """Starts one process per order and gathers the outcomes."""

    def __init__(self, orders: list[CardOrder], display: Display) -> None:
        self._members = [_Member(order, display) for order in orders]

    def run(self) -> list[Outcome]:
        """Blocks until all have ended; the outcomes in the orders' order."""
        for member in self._members:
            member.start()
        for member in self._members:
            member.join()
        return [member.outcome for member in self._members]

    def cancel(self) -> None:
        """Ask all to stop; cards in the making are left without a beginning."""
        for member in self._members:
            member.cancel()


class _Member:
    def __init__(self, order: CardOrder, display: Display) -> None:
        self.outcome = Outcome(order.device)
        self._order = order
        self._display = display
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._give_up_at = math.inf  # once it was killed: what hangs in the kernel does not even die

    def start(self) -> None:
        events, theirs = os.pipe()
        try:
            self._process = _spawn(theirs)
        except OSError:
            os.close(events)
            raise
        finally:
            os.close(theirs)
        self._reader = threading.Thread(target=self._follow, args=(events,), daemon=True)
        self._reader.start()
        if stdin := self._process.stdin:
            with contextlib.suppress(BrokenPipeError):  # died already: its exit code says more
                stdin.write(self._order.to_json().encode() + b"\n")
                stdin.flush()  # and stays open: its end tells the child that we are gone

    def join(self) -> None:
        if self._process is None or self._reader is None:
            return
        while self._reader.is_alive() and time.monotonic() < self._give_up_at:
            self._reader.join(1)
        try:
            self.outcome.exit_code = self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:  # hangs in the kernel; it keeps its locks, and we go on without it
            self.outcome.exit_code = SlotError.exit_code
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        self._explain()
        self._display.ended(self.outcome.device, self._words())

    def cancel(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        watchdog = threading.Timer(_PATIENCE, self._process.kill)
        watchdog.daemon = True
        watchdog.start()
        self._give_up_at = time.monotonic() + 2 * _PATIENCE

    def _follow(self, events: int) -> None:
        with open(events, encoding="utf-8") as lines:
            for line in lines:
                self._take(json.loads(line))

    def _take(self, event: dict[str, Any]) -> None:
        if "step" in event:
            self._display.step(self.outcome.device, event["step"], event["total"])
        elif "done" in event:
            self._display.progress(self.outcome.device, event["done"])
        elif "log" in event:
            self._display.say(f"{self.outcome.device}: {event['log']}")
        elif "result" in event:
            self.outcome.result = event["result"]
        elif "trouble" in event:
            self.outcome.trouble = event["trouble"]

    def _explain(self) -> None:
        """A process that ended without a word was killed."""
        code = self.outcome.exit_code
        if self.outcome.result or self.outcome.trouble or code == Canceled.exit_code:
            return
        self.outcome.exit_code = WorkError.exit_code
        message = (
            f"Writing {self.outcome.device} ended suddenly (code {code}); the card is not good. Start again."
        )
        self.outcome.trouble = {"fault": Fault.BUG.value, "code": "died", "message": message}

    def _words(self) -> str:
        if self.outcome.result:
            return "written and read back"
        return self.outcome.trouble["message"] if self.outcome.trouble else "canceled; the card is empty"


def _spawn(events: int) -> subprocess.Popen[bytes]:
    here = str(Path(__file__).resolve().parents[2])
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "workers.writer.one", str(events)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        pass_fds=(events,),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))},
        start_new_session=True,
    )
