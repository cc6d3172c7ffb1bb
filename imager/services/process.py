"""One server process: started through `launch.py`, watched, stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from imager.services.errors import ServerDied, ServicesError, Unreachable
from imager.services.launch import ORPHANED, UNREACHABLE
from imager.services.layout import account

LAUNCHER = Path(__file__).with_name("launch.py")
MAX_LOG = 16 * 1024 * 1024
TAIL = 20  # lines
READY_WITHIN = 60.0
PAUSE = 0.02


@dataclass
class Server:
    """A running server and how to end it: `stop_signals` in order, each with the seconds it gets."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path
    log_start: int
    stop_signals: Sequence[tuple[signal.Signals, float]]

    def is_alive(self) -> bool:
        return self.popen.poll() is None

    def death(self) -> ServicesError:
        """What to say when it ended without being asked to."""
        code = self.popen.wait()
        if code == UNREACHABLE:
            return Unreachable(self.name, self.log.parent.parent)
        return ServerDied(self.name, _how_it_ended(code), self.log, self.tail())

    def logged(self) -> str:
        """All that this run has logged."""
        with self.log.open("rb") as log:
            log.seek(self.log_start)
            return log.read().decode(errors="replace")

    def tail(self) -> str:
        """The last lines that this run has logged."""
        return "".join(self.logged().splitlines(keepends=True)[-TAIL:])

    def await_ready(self, words: str) -> None:
        """Return once it has logged `words`; `ServerDied` when it ends first or takes too long.

        Asking at the port instead could hand our password to a stranger who was quicker to bind it.
        """
        deadline = time.monotonic() + READY_WITHIN
        while words not in self.logged():
            if not self.is_alive():
                raise self.death()
            if time.monotonic() > deadline:
                how = f"was not ready within {READY_WITHIN:.0f} s"
                raise ServerDied(self.name, how, self.log, self.tail())
            time.sleep(PAUSE)

    def stop(self) -> None:
        """End it, gently first."""
        for number, patience in self.stop_signals:
            if not self.is_alive():
                return
            self.popen.send_signal(number)
            try:
                self.popen.wait(patience)
            except subprocess.TimeoutExpired:
                continue
        if self.is_alive():
            self.popen.kill()
            self.popen.wait()


def start(
    name: str,
    argv: Sequence[str],
    *,
    reads: Sequence[Path],
    folder: Path,
    log: Path,
    guard: int,
    death_signal: signal.Signals,
    stop_signals: Sequence[tuple[signal.Signals, float]] = (),
) -> Server:
    """Start `argv` in `folder`, as the servers' account; output goes to the end of `log`.

    The server gets `death_signal` when the *thread* that started it ends: start servers from one that stays.
    """
    with _open_log(log) as out:
        popen = subprocess.Popen(
            [sys.executable, "-I", "-S", str(LAUNCHER), _job(argv, reads, folder, death_signal)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=_environment(),
            cwd="/",
            pass_fds=(guard,),
            start_new_session=True,  # a Ctrl-C in the terminal is for the supervisor
        )
        return Server(name, popen, log, out.tell(), stop_signals)


def run(
    name: str, argv: Sequence[str], *, reads: Sequence[Path], folder: Path, log: Path, guard: int
) -> None:
    """Run `argv` to its end, as `start` would; `ServerDied` unless it succeeds."""
    program = start(name, argv, reads=reads, folder=folder, log=log, guard=guard, death_signal=signal.SIGTERM)
    try:
        code = program.popen.wait()
    except BaseException:
        program.stop()
        raise
    if code != 0:
        raise program.death()


def free_port() -> int:
    """A TCP port of the loopback interface that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _job(argv: Sequence[str], reads: Sequence[Path], folder: Path, death_signal: signal.Signals) -> str:
    as_whom = account()
    return json.dumps(
        {
            "argv": list(argv),
            "uid": as_whom.uid if as_whom else None,
            "gid": as_whom.gid if as_whom else None,
            "reads": [str(path) for path in reads],
            "writes": [str(folder)],
            "cwd": str(folder),
            "death_signal": int(death_signal),
            "parent": os.getpid(),
        }
    )


def _open_log(log: Path) -> BinaryIO:
    if log.exists() and log.stat().st_size > MAX_LOG:
        log.replace(log.with_suffix(".log.1"))
    out = log.open("ab")
    os.fchmod(out.fileno(), 0o600)
    return out


def _environment() -> dict[str, str]:
    """The little that servers need: nothing of ours, which may hold secrets."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TZ": "UTC", **kept}


def _how_it_ended(code: int) -> str:
    if code == ORPHANED:
        return "was not started: its supervisor was gone"
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended by itself with exit code {code}"
