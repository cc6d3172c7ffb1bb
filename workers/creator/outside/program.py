"""A program that is not ours: started, listened to, and ended with everything that it started."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from workers import machine
from workers.child import MARK
from workers.creator.outside import leash
from workers.errors import HostError

GRACE: Final = 0.25  # seconds between the wish to stop and the end
LISTEN: Final = 1.0  # for what is left in the pipe afterwards
EVERY: Final = 0.1
LONGEST_LINE: Final = 8192
_OWN_MARK: Final = "IMAGER_OUTSIDE"
# What it gets of our environment. The rest is ours: it may hold the password of the host.
_KEPT: Final = {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", MARK} | {
    name for each in ("http_proxy", "https_proxy", "no_proxy", "all_proxy") for name in (each, each.upper())
}


def run(argv: Sequence[str], folder: Path, *, take: Callable[[bytes], None], tick: Callable[[], None]) -> int:
    """The exit code of `argv`, 128 + its number for a signal. Works in `folder`, its temporary files too.

    `take` gets each line of its output, from a thread; `tick` is called ten times a second, and whatever it
    raises ends the program. When this returns or raises, nothing of what the program started runs any more.
    """
    with _leashed(argv, folder, take) as process:
        while not _ended(process):
            tick()
            time.sleep(EVERY)
    return process.returncode


@contextmanager
def _leashed(
    argv: Sequence[str], folder: Path, take: Callable[[bytes], None]
) -> Iterator[subprocess.Popen[bytes]]:
    mark = uuid.uuid4().hex
    process = _start(argv, folder, mark)
    listener = threading.Thread(target=_listen, args=(process.stdout, take), daemon=True)
    listener.start()
    try:
        yield process
    finally:
        _end(process)
        machine.kill_marked(_OWN_MARK, mark)  # what left the group, as daemons do
        listener.join(LISTEN)
        if process.stdin is not None:
            process.stdin.close()


def _start(argv: Sequence[str], folder: Path, mark: str) -> subprocess.Popen[bytes]:
    environ = {name: value for name, value in os.environ.items() if name in _KEPT}
    try:
        return subprocess.Popen(
            [sys.executable, "-I", leash.__file__, *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**environ, _OWN_MARK: mark, "TMPDIR": str(folder)},
            process_group=0,
        )
    except OSError as error:
        raise HostError(
            "cannot_start", f"{argv[0]} could not be started: {error.strerror}. Free memory or processes."
        ) from error


def _listen(output: IO[bytes], take: Callable[[bytes], None]) -> None:
    """Lines, and what programs draw over with carriage returns; cut where they never end."""
    with output:
        while line := output.readline(LONGEST_LINE):
            for piece in filter(None, re.split(rb"[\r\n]+", line)):
                take(piece)


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Its pid stays taken, so that a signal to its group hits nobody else."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end(process: subprocess.Popen[bytes]) -> None:
    if not _ended(process):
        _signal(process, signal.SIGTERM)
        until = time.monotonic() + GRACE
        while not _ended(process) and time.monotonic() < until:
            time.sleep(EVERY / 10)
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
