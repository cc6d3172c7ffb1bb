"""The worker's sign of life: says what is here and hears which tasks wait. This bell alone suffices."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Sequence

import structlog

from workers import __version__, courier, reconcile
from workers.bench import Bench
from workers.contract import BEAT_EVERY, PROTOCOL, Beat, BeatAnswer, Kind, SlotState
from workers.errors import HostError
from workers.host import Host
from workers.journal import JournalError
from workers.live import Attempting
from workers.shelf import Shelf
from workers.writer.slots import SlotConfig, find

JITTER = 0.2

_log = structlog.get_logger()


class Presence(threading.Thread):
    """Beats until `end`, so that a card which is finished during a stop is still seen.

    While something is at work, a beat also brings what the server says to that: then it comes often.
    """

    def __init__(self, host: Host, bench: Bench, every: float = BEAT_EVERY) -> None:
        super().__init__(name="presence")
        self._host = host
        self._bench = bench
        self._every = every
        self._stretch = 1.0  # the server asks for rarer beats when it has many hosts
        self._ended = threading.Event()
        self._woken = threading.Event()
        self._at_once = False
        self._compared = False
        self._silent = False
        self._slots: list[SlotState] = []
        self._shelf = Shelf(host)
        bench.changed = self._look

    def run(self) -> None:
        while not self._ended.is_set():
            self._at_once = False
            self.beat()
            self._rest(time.monotonic())

    def end(self) -> None:
        """Stop beating."""
        self._ended.set()
        self._woken.set()

    def now(self) -> None:
        """Beat at once, and once more if a beat is on its way."""
        self._at_once = True
        self._woken.set()

    def _look(self, ended: bool) -> None:
        """Something began or ended here. After the end of work there is a place: ask for more now."""
        if ended:
            self._at_once = True
        self._woken.set()

    def _rest(self, since: float) -> None:
        spread = random.uniform(1 - JITTER, 1)  # noqa: S311  # spreads load, guards nothing
        while not (self._ended.is_set() or self._at_once):
            every = self._every * self._stretch
            pause = min(self._host.live.pace, every) if self._bench.running() else every
            left = since + pause * spread - time.monotonic()
            if left <= 0:
                return
            self._woken.wait(left)
            self._woken.clear()

    def beat(self) -> None:
        """Once: say what is here, settle what is owed, start what waits."""
        begun = self._bench.begun()
        attempts = self._host.live.held()
        try:
            answer = self._host.api.beat(self._here(attempts))
            self._host.live.take(attempts, answer)
            self._stretch = answer.get("every", BEAT_EVERY) / BEAT_EVERY
            self._clear(answer, begun)  # first: it may make the room that the journal needs
            self._settle()
            self._start(answer)
        except HostError as error:
            self._lost(error)
            return
        if self._silent:
            _log.info("all is well again")
            self._silent = False

    def _settle(self) -> None:
        courier.deliver(self._host)
        if not self._compared:
            reconcile.compare(self._host, self._bench.running)
            self._compared = True

    def _clear(self, answer: BeatAnswer, begun: int) -> None:
        """The answer knows nothing of what began after the question: then nothing goes, until the next."""
        if self._host.kind is not Kind.DOWNLOAD or "keep" not in answer:
            return
        with self._bench.still(begun) as still:
            if still:
                self._shelf.clear(answer["keep"])

    def _start(self, answer: BeatAnswer) -> None:
        unanswered = reconcile.bury(self._host, self._bench.running)
        if answer["drain"] or self._host.stopping.is_set():
            return
        for task in [*unanswered, *answer["ring"]]:
            if self._bench.start(task):
                _log.info("rung by the server", task=task)

    def _here(self, attempts: Sequence[Attempting] = ()) -> Beat:
        host = self._host
        beat: Beat = {
            "kind": host.kind,
            "boot_id": host.boot_id,
            "version": __version__,
            "protocol": PROTOCOL,
            "free_bytes": shutil.disk_usage(host.config.data).free,
            "running": self._bench.running(),
            "attempts": [attempt.held for attempt in attempts],
        }
        if host.kind is Kind.WRITE:
            self._slots = beat["slots"] = slot_states(host.config.slots, self._known())
        return beat

    def _known(self) -> list[SlotState]:
        """What was seen before, but for the slots in which a write ended: there is something else now."""
        written = set()
        while not self._host.written.empty():  # nobody else takes from it
            written.add(self._host.written.get())
        return [state for state in self._slots if state["name"] not in written]

    def _lost(self, error: HostError) -> None:
        if not self._silent:
            said = (
                "the journal cannot be kept; nothing new begins"
                if isinstance(error, JournalError)
                else "the server does not take this worker's beat; work goes on"
            )
            _log.warning(said, code=error.code, detail=error.message)
            self._silent = True


def slot_states(slots: Sequence[SlotConfig], before: Sequence[SlotState] = ()) -> list[SlotState]:
    """What is in the readers now; `before` spares reading the same insertions again."""
    known = {state["name"]: state for state in before}
    return [find(slot, known=known.get(slot.name)) for slot in slots]
