"""Tells the server where an attempt is, in a thread of its own: a silent server holds up nothing else."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable

import structlog

from workers.api import ONCE, ServerRefused
from workers.child import State
from workers.contract import REPORT_AT_MOST_EVERY, Answer, Assignment, Progress, Report, Step
from workers.errors import HostError
from workers.host import Host
from workers.pace import Pace, Schedule
from workers.transcript import Transcript

TICK = 0.25  # seconds between two looks at the time
LAST_CALL = 0.5  # seconds that an end waits for a report that is on its way

_log = structlog.get_logger()


class Reporter(threading.Thread):
    """`state` says where the work is; `hear` is told what the server answers, if that is not to go on."""

    def __init__(
        self,
        host: Host,
        told: Assignment,
        transcript: Transcript,
        *,
        state: Callable[[], State],
        hear: Callable[[Answer], None],
    ) -> None:
        super().__init__(name=f"report-{told['task']}", daemon=True)
        self.sent = 0  # characters of the transcript that the server has
        self.step = Step.CLAIMED
        self._host = host
        self._told = told
        self._transcript = transcript
        self._state = state
        self._hear = hear
        self._over = threading.Event()
        self._changed = threading.Event()
        self._reported: State | None = None
        self._words = structlog.contextvars.get_contextvars()
        now = time.monotonic()
        self._pace = Pace(None, now)
        self._schedule = Schedule(told["report_every"], now, told["lease"])

    def run(self) -> None:
        structlog.contextvars.bind_contextvars(**self._words)
        while not self._over.is_set():
            self._changed.wait(TICK)
            self._changed.clear()
            self._look()

    def look(self) -> None:
        """Something has changed."""
        self._changed.set()

    def held(self) -> None:
        """A beat told the server that we are at it: a report that brings nothing new can wait."""
        self._schedule.held(time.monotonic())

    def end(self) -> None:
        """No report begins from now on; one that the server keeps waiting is left alone."""
        self._over.set()
        self._changed.set()
        if self.is_alive():
            self.join(LAST_CALL)

    def _look(self) -> None:
        state = self._state()
        step = self._reported is None or state.step != self._reported.step
        changed = state != self._reported or len(self._transcript) > self.sent
        least = REPORT_AT_MOST_EVERY if step else self._host.live.pace
        if not self._over.is_set() and self._schedule.due(time.monotonic(), changed=changed, least=least):
            self._tell(state)

    def _tell(self, state: State) -> None:
        """One report. Nobody answering stops nothing: the work goes on."""
        report = self._report(state)
        answer: Answer | None = None
        try:
            answer = self._host.api.report(self._told["task"], report, ONCE)
        except ServerRefused as refusal:
            _log.warning("report refused", status=refusal.status, code=refusal.code, detail=refusal.detail)
            answer = Answer.STALE if refusal.status == 404 else None  # the task is no more
        except HostError as error:
            _log.warning("report not delivered", code=error.code, detail=error.message)
        self._schedule.sent(time.monotonic(), taken=answer is not None)
        if answer is None:
            return
        self._reported = state
        if "log" in report:
            self.sent += len(report["log"]["text"])
        self._hear(answer)

    def _report(self, state: State) -> Report:
        report: Report = {
            "event_id": str(uuid.uuid4()),
            "attempt": self._told["attempt"],
            "step": state.step,
            "progress": self._progress(state),
        }
        if len(self._transcript) > self.sent:
            report["log"] = self._transcript.piece(self.sent)
        return report

    def _progress(self, state: State) -> Progress:
        now = time.monotonic()
        if state.step != self.step:
            self.step, self._pace = state.step, Pace(state.total, now)
            structlog.contextvars.bind_contextvars(step=state.step)
        self._pace.update(state.done, now)
        return self._pace.progress(state.done)
