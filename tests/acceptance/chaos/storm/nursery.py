"""The processes of attempts, forked from a warm process: real ones, with groups and signals, for 5 ms each.

A worker starts `python -m workers.job` for each attempt, which takes half a second of imports. Here a process
beside the worker, forked before it has threads, forks them; as the worker is a subreaper, they become its own
children, just as if it had started them.
"""

from __future__ import annotations

import ctypes
import math
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, NoReturn

from workers import job, machine
from workers.child import MARK

NOBODY = "0" * 36  # stands for a claim id in the environment of the warm processes
_PR_SET_CHILD_SUBREAPER = 36
_ENV_START = 47  # field 50 of /proc/PID/stat, counted behind the name in brackets


class Forked:
    """What `subprocess.Popen` is for the product's `Child`."""

    def __init__(self, pid: int, stdin: int, stdout: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdin: IO[bytes] = os.fdopen(stdin, "wb")
        self.stdout: IO[bytes] = os.fdopen(stdout, "rb")
        self._reaping = threading.Lock()

    def poll(self) -> int | None:
        with self._reaping:
            if self.returncode is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        end = math.inf if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(["attempt"], timeout or 0)
            time.sleep(0.002)
        return code


class Nursery:
    """Make it before the first thread. It ends with its maker."""

    def __init__(self) -> None:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        worker = os.getpid()
        if os.fork() == 0:
            ours.close()
            _serve(theirs, worker)
        theirs.close()
        self._socket = ours
        self._lock = threading.Lock()

    def spawn(self, events: int, claim_id: str, *_: str) -> Forked:
        """A process that does what `python -m workers.job EVENTS PARENT` does."""
        their_stdin, stdin = os.pipe()
        stdout, their_stdout = os.pipe()
        ready, their_ready = os.pipe()
        theirs = [their_stdin, their_stdout, events, their_ready]
        try:
            with self._lock:
                socket.send_fds(self._socket, [claim_id.encode()], theirs)
        finally:
            for descriptor in (their_stdin, their_stdout, their_ready):
                os.close(descriptor)
        with os.fdopen(ready, "rb") as answer:
            pid = answer.read()
        if not pid:
            os.close(stdin)
            os.close(stdout)
            raise OSError(11, "the nursery was killed")
        return Forked(int(pid), stdin, stdout)


def _serve(orders: socket.socket, worker: int) -> NoReturn:
    machine.end_with(worker, signal.SIGKILL)
    while True:
        claim_id, theirs, *_ = socket.recv_fds(orders, 100, 4)
        if not claim_id:
            os._exit(0)
        between = os.fork()
        if between == 0:
            between = os.getpid()
            if os.fork() == 0:
                _be_born(claim_id.decode(), theirs, between, worker)
            os._exit(0)
        for descriptor in theirs:
            os.close(descriptor)
        os.waitpid(between, 0)


def _be_born(claim_id: str, descriptors: list[int], between: int, worker: int) -> NoReturn:
    while os.getppid() == between:
        time.sleep(0.0005)
    if os.getppid() != worker:
        os._exit(1)
    os.setsid()
    stdin, stdout, events, ready = descriptors
    for ours, standard in ((stdin, 0), (stdout, 1), (stdout, 2)):
        os.dup2(ours, standard)
    os.close(stdin)
    os.close(stdout)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - a fresh buffer on the new descriptor
    _mark(claim_id)
    random.seed(claim_id)
    with os.fdopen(ready, "wb") as answer:
        answer.write(str(os.getpid()).encode())
    code = job.main([str(events), str(worker)])
    sys.stdout.flush()
    os._exit(code)


def _mark(claim_id: str) -> None:
    """Put the claim id where others see a process's environment; that of a forked one is its ancestor's."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[_ENV_START]), int(fields[_ENV_START + 1])
    at = ctypes.string_at(start, end - start).index(f"{MARK}={NOBODY}".encode())
    ctypes.memmove(start + at + len(MARK) + 1, claim_id.encode(), len(NOBODY))
    os.environ[MARK] = claim_id
