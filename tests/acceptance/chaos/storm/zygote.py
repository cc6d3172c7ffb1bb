"""A warm process that forks the parts of the line on demand: `python -m …storm.zygote {server,hosts} SOCKET`.

It owns what it forks, so that a signal hits nobody else, and ends with whoever holds the other end.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

from workers import machine
from workers.child import MARK

from .nursery import NOBODY

ROOT = Path(__file__).resolve().parents[4]
BIGGEST = 256 * 1024


class Zygote:
    """The driver's end. Not thread-safe."""

    def __init__(self, kind: str, environment: dict[str, str], log: Path) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, kind, str(theirs.fileno())],
                cwd=ROOT,
                env={**environment, MARK: NOBODY},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        theirs.close()
        self._socket = ours
        self._ended: dict[int, int] = {}

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self, role: str, arguments: list[str], environment: dict[str, str], log: Path) -> int:
        """Fork a part; its pid."""
        self._say({"role": role, "arguments": arguments, "environment": environment, "log": str(log)})
        while True:
            told = self._hear()
            if "started" in told:
                return int(told["started"])

    def signal(self, pid: int, number: signal.Signals) -> None:
        """To a part that was forked here, if it is still there."""
        self._say({"signal": int(number), "pid": pid})

    def ended(self) -> dict[int, int]:
        """Pid and exit code of the parts that ended since the last call."""
        while select.select([self._socket], [], [], 0)[0]:
            self._hear()
        found, self._ended = self._ended, {}
        return found

    def stop(self) -> None:
        self._socket.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _say(self, words: dict[str, Any]) -> None:
        self._socket.send(json.dumps(words).encode())

    def _hear(self) -> dict[str, Any]:
        message = self._socket.recv(BIGGEST)
        if not message:
            raise RuntimeError(f"the zygote {self._process.args!r} has ended; see its log")
        told: dict[str, Any] = json.loads(message)
        if "ended" in told:
            self._ended[told["ended"]] = told["code"]
        return told


def main(kind: str, descriptor: int) -> NoReturn:
    """Fork what is asked for until nobody asks any more."""
    from . import roles

    known = roles.warm(kind)
    asking = socket.socket(fileno=descriptor)
    wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    living: set[int] = set()
    while True:
        ready = select.select([asking, wake], [], [])[0]
        if wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 4096)
            _reap(living, asking)
        if asking in ready:
            message = asking.recv(BIGGEST)
            if not message:
                for pid in living:
                    os.kill(pid, signal.SIGKILL)
                sys.exit(0)
            _obey(json.loads(message), known, living, asking, (wake, woken))


def _reap(living: set[int], asking: socket.socket) -> None:
    for pid in list(living):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            living.remove(pid)
            asking.send(json.dumps({"ended": pid, "code": os.waitstatus_to_exitcode(status)}).encode())


def _obey(
    told: dict[str, Any],
    known: dict[str, Any],
    living: set[int],
    asking: socket.socket,
    pipe: tuple[int, int],
) -> None:
    if "signal" in told:
        if told["pid"] in living:
            os.kill(told["pid"], told["signal"])
        return
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        asking.close()
        for descriptor in pipe:
            os.close(descriptor)
        _become(known[told["role"]], told, parent)
    living.add(pid)
    asking.send(json.dumps({"started": pid}).encode())


def _become(role: Any, told: dict[str, Any], parent: int) -> NoReturn:
    code = 1
    try:
        os.setsid()
        machine.end_with(parent, signal.SIGKILL)
        output = os.open(told["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ.update(told["environment"])
        code = role(*told["arguments"]) or 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:  # noqa: BLE001 - the top of this process
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    from tests.acceptance.chaos.storm import zygote

    zygote.main(sys.argv[1], int(sys.argv[2]))
