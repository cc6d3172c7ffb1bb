"""One attempt at a task: a child that works, reports to the server, and the ending."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workers import places
from workers.child import Child, Started, State
from workers.contract import (
    MAX_TROUBLE,
    Answer,
    Assignment,
    Fault,
    Held,
    Kind,
    Outcome,
    Report,
    Trouble,
)
from workers.errors import HostError
from workers.host import Host
from workers.journal import JournalError, Owed, final, release
from workers.limits import Limits
from workers.reporter import Reporter
from workers.transcript import Transcript

TICK = 0.25  # seconds between two looks at the child when it says nothing


@dataclass(frozen=True)
class Ending:
    """How an attempt ended. `outcome` None: it was given back, or somebody else has it."""

    outcome: Outcome | None
    trouble: Trouble | None = None
    result: dict[str, Any] | None = None
    release: bool = False


STALE = Ending(None)
RELEASED = Ending(None, release=True)
CANCELED = Ending(Outcome.CANCELED)


def failed(fault: Fault, code: str, message: str) -> Ending:
    """An ending with a trouble."""
    return Ending(Outcome.FAILED, {"fault": fault, "code": code, "message": message})


class Attempt:
    """Owns the child of one assignment, from its start to the message that the journal owes to the server."""

    def __init__(
        self, host: Host, assignment: Assignment, claim_id: str, started: Started | None = None
    ) -> None:
        self.held: Held = {"task": assignment["task"], "attempt": assignment["attempt"]}
        self._host = host
        self._assignment = assignment
        self._claim_id = claim_id
        self._started = started
        self._transcript = Transcript(_scrub_of(host, assignment))
        self._limits = Limits(assignment["deadline"], time.monotonic())
        self._verdict: Answer | None = None  # what ends us, once the server has said so
        self._child: Child | None = None
        self._reporter = Reporter(host, assignment, self._transcript, state=self._state, hear=self._hear)

    def run(self) -> Ending:
        """Work to the end; afterwards nothing is left of it but what the journal owes."""
        self._host.live.add(self)
        try:
            ending = self._work()
        finally:
            self._host.live.remove(self)
        if self._host.kind is Kind.WRITE and (slot := self._assignment["spec"].get("slot")):
            self._host.written.put(slot["name"])
        try:
            self._settle(ending)
        finally:
            self._clear(ending)
        return ending

    def told(self, answer: Answer) -> None:
        """What the server answers to a beat that named this attempt; may come from any thread."""
        if answer is Answer.GO:
            self._reporter.held()
        self._hear(answer)

    def _hear(self, answer: Answer) -> None:
        if answer is not Answer.GO:
            self._verdict = answer
            if self._child:
                self._child.changed.set()

    def _state(self) -> State:
        return self._child.state if self._child else State()

    def _work(self) -> Ending:
        try:
            child = Child(self._job(), self._claim_id, self._transcript, self._started)
        except HostError as error:
            return Ending(Outcome.FAILED, error.trouble())
        self._child = child
        self._reporter.start()
        try:
            self._host.journal.child(self._claim_id, child.pid, child.started)
            return self._attend(child)
        except JournalError as error:
            return Ending(Outcome.FAILED, error.trouble())
        finally:
            child.reap()
            self._reporter.end()

    def _job(self) -> dict[str, Any]:
        return {
            "task": self._assignment["task"],
            "order": self._assignment["order"],
            "kind": self._assignment["kind"],
            "attempt": self._assignment["attempt"],
            "spec": self._assignment["spec"],
            "boot_id": self._host.boot_id,
            "config": str(self._host.config.path),
        }

    def _attend(self, child: Child) -> Ending:
        while not child.ended():
            if child.changed.wait(TICK):
                child.changed.clear()
                self._reporter.look()
            if self._verdict:
                child.stop()
                return CANCELED if self._verdict is Answer.CANCEL else STALE
            if child.lingers():
                child.stop()
                return self._ending(child)
            if forced := self._forced(child):
                child.stop()
                return forced if child.result is None else self._ending(child)
        child.reap()
        return self._ending(child)

    def _forced(self, child: Child) -> Ending | None:
        """Why we ourselves end the work now, if so. A card that is being written is finished first."""
        if self._host.stopping.is_set() and self._host.kind is not Kind.WRITE:
            return RELEASED
        trouble = self._limits.exceeded(child.state, time.monotonic())
        return Ending(Outcome.FAILED, trouble) if trouble else None

    def _ending(self, child: Child) -> Ending:
        if child.result is not None:
            return Ending(Outcome.DONE, result=child.result)
        if child.canceled:
            return CANCELED
        if child.trouble is not None:
            words = child.trouble
            return failed(Fault(words["fault"]), words["code"], self._host.scrub(words["message"]))
        if child.stuck:
            fault = Fault.SLOT if self._host.kind is Kind.WRITE else Fault.HOST
            return failed(fault, "stalled", child.sudden_death())
        fault, code = (Fault.HOST, "killed") if child.killed else (Fault.BUG, "died")
        return failed(fault, code, child.sudden_death())

    def _settle(self, ending: Ending) -> None:
        if ending.outcome is not None or ending.release:
            self._host.journal.owe(self._claim_id, self._message(ending))
        else:
            self._host.journal.forget(self._claim_id)

    def _message(self, ending: Ending) -> Owed:
        task, attempt = self._assignment["task"], self._assignment["attempt"]
        if ending.release:
            return release(task, self._host.kind, attempt)
        report: Report = {"event_id": str(uuid.uuid4()), "attempt": attempt, "step": self._state().step}
        if len(self._transcript) > self._reporter.sent:
            report["log"] = self._transcript.last_piece(self._reporter.sent)
        if ending.outcome is not None:
            report["outcome"] = ending.outcome.value
        if ending.trouble is not None:
            words = ending.trouble
            report["trouble"] = {**words, "message": words["message"][:MAX_TROUBLE]}
        if ending.result is not None:
            report["result"] = ending.result
        return final(task, self._host.kind, report)

    def _clear(self, ending: Ending) -> None:
        """Only after the ending is owed: whatever keeps a folder here, no finished work is lost for it."""
        data = self._host.config.data
        with places.left_in_place():
            if self._host.kind is Kind.CREATE:
                places.clear_work(data, self._assignment["task"], self._assignment["attempt"])
            if self._host.kind is Kind.CREATE and _is_for_good(ending):
                places.clear_built(data, self._assignment["task"])
            if self._host.kind is Kind.DOWNLOAD and ending.outcome is Outcome.CANCELED:
                places.clear_images(data, self._assignment["order"])


def _scrub_of(host: Host, assignment: Assignment) -> Callable[[str], str]:
    """What no line may hold, also of those that the child prints instead of reporting them."""
    recipe = assignment["spec"].get("recipe")
    if host.kind is not Kind.CREATE or not isinstance(recipe, str):
        return host.scrub
    from workers.creator.outside.secrets import mask_of  # not for hosts that build nothing

    mask = mask_of(recipe)
    return lambda text: mask(host.scrub(text))


def _is_for_good(ending: Ending) -> bool:
    """Whether no other attempt can have any use for what this one has built."""
    job = ending.trouble is not None and ending.trouble["fault"] == Fault.JOB
    return job or ending.outcome in (Outcome.DONE, Outcome.CANCELED)
