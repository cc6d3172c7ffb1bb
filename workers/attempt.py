"""One attempt at a task: a child that works, reports to the server, and the ending."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Any

import structlog

from workers import places
from workers.api import ONCE, ServerRefused
from workers.child import Child
from workers.contract import (
    MAX_TROUBLE,
    Answer,
    Assignment,
    Fault,
    Kind,
    Outcome,
    Progress,
    Report,
    Step,
    Trouble,
)
from workers.errors import HostError
from workers.host import Host
from workers.journal import JournalError, Owed, final, release
from workers.limits import Limits
from workers.pace import Pace, Schedule
from workers.transcript import Transcript

TICK = 0.25  # seconds between two looks at the child when it says nothing

_log = structlog.get_logger()


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

    def __init__(self, host: Host, assignment: Assignment, claim_id: str) -> None:
        self._host = host
        self._told = assignment
        self._claim_id = claim_id
        self._transcript = Transcript(host.scrub)
        self._sent = 0  # characters of the transcript that the server has
        self._step = Step.CLAIMED
        now = time.monotonic()
        self._pace = Pace(None, now)
        self._schedule = Schedule(assignment["report_every"], now)
        self._limits = Limits(assignment["deadline"], now)

    def run(self) -> Ending:
        """Work to the end; afterwards nothing is left of it but what the journal owes."""
        ending = self._work()
        self._clear(ending)
        if ending.outcome is not None or ending.release:
            self._host.journal.owe(self._claim_id, self._message(ending))
        else:
            self._host.journal.forget(self._claim_id)
        return ending

    def _work(self) -> Ending:
        try:
            child = Child(self._job(), self._claim_id, self._transcript)
        except HostError as error:
            return Ending(Outcome.FAILED, error.trouble())
        try:
            self._host.journal.child(self._claim_id, child.pid, child.started)
            return self._attend(child)
        except JournalError as error:
            return Ending(Outcome.FAILED, error.trouble())
        finally:
            child.reap()

    def _job(self) -> dict[str, Any]:
        return {
            "task": self._told["task"],
            "order": self._told["order"],
            "kind": self._told["kind"],
            "attempt": self._told["attempt"],
            "spec": self._told["spec"],
            "boot_id": self._host.boot_id,
            "config": str(self._host.config.path),
        }

    def _attend(self, child: Child) -> Ending:
        changed = False
        while not child.ended():
            changed = child.changed.wait(TICK) or changed
            child.changed.clear()
            if forced := self._forced(child):
                child.stop()
                return forced if child.result is None else self._ending(child)
            now = time.monotonic()
            if self._schedule.due(now, changed=changed):
                changed = False
                answer = self._tell(child)
                if answer in (Answer.CANCEL, Answer.STALE):
                    child.stop()
                    return CANCELED if answer is Answer.CANCEL else STALE
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
        fault, code = (Fault.HOST, "killed") if child.killed else (Fault.BUG, "died")
        return failed(fault, code, child.sudden_death())

    def _tell(self, child: Child) -> Answer | None:
        """One report; None when nobody answered, which stops nothing."""
        report = self._report(child)
        answer: Answer | None = None
        try:
            answer = self._host.api.report(self._told["task"], report, ONCE)
        except ServerRefused as refusal:
            _log.warning("report refused", status=refusal.status, code=refusal.code, detail=refusal.detail)
            answer = Answer.STALE if refusal.status == 404 else None  # the task is no more
        except HostError as error:
            _log.warning("report not delivered", code=error.code, detail=error.message)
        self._schedule.sent(time.monotonic(), taken=answer is not None)
        if answer is not None and "log" in report:
            self._sent += len(report["log"]["text"])
        if answer is None or len(self._transcript) > self._sent:
            child.changed.set()
        return answer

    def _report(self, child: Child) -> Report:
        report: Report = {
            "event_id": str(uuid.uuid4()),
            "attempt": self._told["attempt"],
            "step": child.state.step,
            "progress": self._progress(child),
        }
        if len(self._transcript) > self._sent:
            report["log"] = self._transcript.piece(self._sent)
        return report

    def _progress(self, child: Child) -> Progress:
        state, now = child.state, time.monotonic()
        if state.step != self._step:
            self._step, self._pace = state.step, Pace(state.total, now)
            structlog.contextvars.bind_contextvars(step=state.step)
        self._pace.update(state.done, now)
        return self._pace.progress(state.done)

    def _message(self, ending: Ending) -> Owed:
        task, attempt = self._told["task"], self._told["attempt"]
        if ending.release:
            return release(task, self._host.kind, attempt)
        report: Report = {"event_id": str(uuid.uuid4()), "attempt": attempt, "step": self._step}
        if len(self._transcript) > self._sent:
            report["log"] = self._transcript.last_piece(self._sent)
        if ending.outcome is not None:
            report["outcome"] = ending.outcome.value
        if ending.trouble is not None:
            words = ending.trouble
            report["trouble"] = {**words, "message": words["message"][:MAX_TROUBLE]}
        if ending.result is not None:
            report["result"] = ending.result
        return final(task, self._host.kind, report)

    def _clear(self, ending: Ending) -> None:
        data = self._host.config.data
        if self._host.kind is Kind.CREATE:
            places.clear_work(data, self._told["task"], self._told["attempt"])
        if self._host.kind is Kind.DOWNLOAD and ending.outcome is Outcome.CANCELED:
            places.clear_images(data, self._told["order"])
        if self._host.kind is Kind.WRITE and (slot := self._told["spec"].get("slot")):
            self._host.written.put(slot["name"])
