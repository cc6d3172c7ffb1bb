"""The process that does the work of one attempt, and what it says through its pipes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from workers import machine
from workers.contract import Kind, Step, Trouble
from workers.errors import HostError
from workers.transcript import Transcript

GRACE = 0.7  # seconds between the wish to stop and the end
LAST_WORDS = 5.0  # seconds between a process's last word and its end
HANGING = 10.0  # seconds between SIGKILL and the end; longer only hangs what hangs in the kernel
MARK = "IMAGER_CLAIM"  # in the environment of a child and of everything that it starts
_UNSTICK = "unplug the device that it works on, and restart the host if that does not help."


@dataclass(frozen=True)
class State:
    """Where the work is."""

    step: Step = Step.CLAIMED
    total: int | None = None
    done: int = 0


@dataclass(frozen=True)
class Started:
    """`python -m workers.job` that waits for its job, and the pipe of its events."""

    claim_id: str
    process: subprocess.Popen[bytes]
    events: int

    def alive(self) -> bool:
        """Whether it still waits."""
        return self.process.poll() is None

    def discard(self) -> None:
        """End it: there is no job for it."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            _there(stream).close()
        os.close(self.events)


def start(claim_id: str, kind: Kind | None = None) -> Started:
    """Start the process of an attempt. With `kind`, it gets ready for such work before it is told of any."""
    try:
        return _start(claim_id, *([kind] if kind else []))
    except OSError as error:
        raise HostError(
            "cannot_start",
            f"The work could not be started: {error.strerror}. Free memory, processes or open files.",
        ) from error


def _start(claim_id: str, *more: str) -> Started:
    events, theirs = os.pipe()
    try:
        process = _spawn(theirs, claim_id, *more)
    except OSError:
        os.close(events)
        raise
    finally:
        os.close(theirs)
    return Started(claim_id, process, events)


class Child:
    """The process of an attempt, in a process group of its own: `started` before, or now.

    `changed` is set whenever it said something, and at its end.
    """

    def __init__(
        self, job: dict[str, Any], claim_id: str, transcript: Transcript, started: Started | None = None
    ) -> None:
        self.state = State()
        self.result: dict[str, Any] | None = None
        self.trouble: Trouble | None = None
        self.canceled = False
        self.stuck = False  # hangs in the kernel: not even SIGKILL ends it before the device answers
        self._last_word: float | None = None
        self.changed = threading.Event()
        self._transcript = transcript
        started = started or start(claim_id)
        self._process = started.process
        self.pid = self._process.pid
        self.started = machine.started(self.pid)
        self._events = threading.Thread(target=self._read_events, args=(started.events,), daemon=True)
        self._output = threading.Thread(target=self._read_output, daemon=True)
        self._events.start()
        self._output.start()
        self._tell(job)

    def ended(self) -> bool:
        """Has the process ended? Its pid stays taken until `reap`, so a signal cannot hit anybody else."""
        if self._process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def lingers(self) -> bool:
        """Has it said its last word, and yet does not end?"""
        return self._last_word is not None and time.monotonic() - self._last_word > LAST_WORDS

    def stop(self) -> None:
        """Ask the group to stop, and end it after a grace."""
        self._signal(signal.SIGTERM)
        self._events.join(GRACE)  # the pipe closes when the child ends
        self.reap()

    def reap(self) -> None:
        """Kill what is left of the group and take in the last words. Harmless when repeated.

        A process that hangs in the kernel is left behind, `stuck`; its locks stay taken until it ends.
        """
        if self._process.returncode is not None or self.stuck:
            return
        if not self.ended():
            self._events.join(GRACE / 5)  # between the pipe's end and the exit code
        self._signal(signal.SIGKILL)
        try:
            self._process.wait(HANGING)
        except subprocess.TimeoutExpired:
            self.stuck = True
            return
        self._events.join()
        self._output.join()
        with contextlib.suppress(BrokenPipeError):
            _there(self._process.stdin).close()

    @property
    def killed(self) -> bool:
        """Ended by SIGKILL before it could say why: by the kernel when memory ran out, or by a person."""
        return self._process.returncode == -signal.SIGKILL

    def sudden_death(self) -> str:
        """How a process ended that left neither result nor trouble, for people."""
        code = self._process.returncode
        if code is None:
            return f"The process of this attempt hangs in the kernel in step {self.state.step}; {_UNSTICK}"
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        last = self._transcript.tail() or "none"
        return f"The process of this attempt {how} in step {self.state.step}. Its last words: {last}"

    def _tell(self, job: dict[str, Any]) -> None:
        """The job goes through stdin, which then stays open: its end tells the child that we are gone."""
        with contextlib.suppress(BrokenPipeError):  # died already: its exit code says more
            stdin = _there(self._process.stdin)
            stdin.write(json.dumps(job).encode() + b"\n")
            stdin.flush()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _read_events(self, descriptor: int) -> None:
        with open(descriptor, encoding="utf-8", errors="replace") as events:
            for line in events:
                try:
                    self._take(json.loads(line))
                except (ValueError, KeyError, TypeError):
                    self._transcript.add(
                        f"(unreadable event: {line[:200]!r})"
                    )  # cut off by a kill in mid-line
                self.changed.set()
        self.changed.set()

    def _take(self, event: dict[str, Any]) -> None:
        if "step" in event:
            self.state = State(Step(event["step"]), event["total"])
        elif "done" in event:
            self.state = State(self.state.step, self.state.total, event["done"])
        elif "log" in event:
            self._transcript.add(event["log"])
        elif "result" in event:
            self.result = event["result"]
        elif "trouble" in event:
            words = event["trouble"]
            self.trouble = {"fault": words["fault"], "code": words["code"], "message": words["message"]}
        self.canceled = self.canceled or "canceled" in event
        if self.canceled or self.trouble or self.result is not None:
            self._last_word = time.monotonic()

    def _read_output(self) -> None:
        with _there(self._process.stdout) as output:
            for line in output:
                self._transcript.add(line.decode(errors="replace"))
                self.changed.set()


def _spawn(events: int, claim_id: str, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "workers.job", str(events), str(os.getpid()), *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(events,),
        env={**os.environ, MARK: claim_id, "PYTHONPATH": import_path()},
        start_new_session=True,
    )


def _there(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise AssertionError("the pipe was asked for")
    return stream


def import_path() -> str:
    """So that the child finds `workers` whatever folder the parent was started in."""
    here = str(Path(__file__).resolve().parent.parent)
    return os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")]))
