"""Child processes that die with us, each with its own log."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PR_SET_PDEATHSIG = 1
STOP_GRACE = 15.0


class StackError(Exception):
    """The line could not be started or has broken; the message says where to look."""


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(frozen=True)
class Extra:
    """What one part gets beside the rest: words before its command, and variables that outdo its own."""

    prefix: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass
class Process:
    """One running part of the line."""

    name: str
    child: subprocess.Popen[bytes]
    log: Path
    argv: Sequence[str]
    environment: Mapping[str, str] | None = field(default=None, repr=False)

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@dataclass
class Processes:
    """The running parts, in order of start; they are stopped in the opposite order."""

    logs: Path
    environment: Mapping[str, str]
    extras: Mapping[str, Extra] = field(default_factory=dict)  # by the part's name
    running: list[Process] = field(default_factory=list)

    def start(self, name: str, *argv: str, environment: Mapping[str, str] | None = None) -> Process:
        """Start `argv` in the background. Secrets go into `environment`, never into `argv`."""
        self.logs.mkdir(parents=True, exist_ok=True)
        log, extra = self.logs / f"{name}.log", self.extras.get(name, Extra())
        with log.open("ab") as output:
            child = subprocess.Popen(
                [*extra.prefix, *argv],
                cwd=ROOT,
                env={**self.environment, **(environment or {}), **extra.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  # prctl is all that happens between fork and exec
                start_new_session=True,
            )  # fmt: skip  # prctl is all that happens between fork and exec
        process = Process(name, child, log, argv, environment)
        self.running.append(process)
        return process

    def restart(self, process: Process) -> Process:
        """Start a part that has ended once more, as a supervisor does."""
        self.running.remove(process)
        return self.start(process.name, *process.argv, environment=process.environment)

    def run(self, *argv: str, environment: Mapping[str, str] | None = None, stdin: str = "") -> str:
        """Run `argv` to its end. Returns what it printed; raises StackError, with its words, if it fails."""
        done = subprocess.run(
            argv,
            cwd=ROOT,
            env={**self.environment, **(environment or {})},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip()
            raise StackError(f"“{' '.join(argv[:4])} …” failed ({done.returncode}):\n{said}")
        return done.stdout

    def check(self) -> None:
        """Raise StackError if a part has ended by itself."""
        for process in self.running:
            if process.child.poll() is not None:
                raise StackError(
                    f"{process.name} has ended ({process.child.returncode}). "
                    f"Its log, {process.log}, ends:\n{process.tail()}"
                )

    def wait_for(self, what: str, ready: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until `ready()`, or raise StackError."""
        end = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > end:
                raise StackError(
                    f"{what} did not come up within {seconds:.0f} s. The logs are in {self.logs}."
                )
            time.sleep(0.1)

    def stop(self) -> None:
        """End every part, last started first; kill what does not end in time."""
        for process in reversed(self.running):
            if process.child.poll() is None:
                process.child.terminate()
        end = time.monotonic() + STOP_GRACE
        for process in reversed(self.running):
            try:
                process.child.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.child.pid, signal.SIGKILL)
                process.child.wait()
        self.running.clear()


def python(*arguments: str) -> list[str]:
    """A command line for this very interpreter."""
    return [sys.executable, *arguments]
