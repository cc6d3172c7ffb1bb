"""A program that is waited for, and ended when somebody asks us to stop."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from workers.errors import HostError

Check = Callable[[], None]
_NAP: Final = 0.1  # seconds between two looks whether to stop


def unasked() -> None:
    """For those whom nobody can ask to stop."""


def run(
    argv: Sequence[str], folder: Path, environment: Mapping[str, str], check: Check
) -> subprocess.CompletedProcess[str]:
    """What `argv` said, and its exit code. What `check` raises meanwhile ends it.

    HostError `program_ended` if a signal did: then its exit code says nothing about its work.
    """
    with subprocess.Popen(
        argv,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        try:
            said, complained = _attend(process, check)
        except BaseException:
            process.kill()
            raise
    check()  # Ctrl-C ends the program too, and whoever asked for that wants no verdict of it
    if process.returncode < 0:
        raise HostError(
            "program_ended",
            f"{Path(argv[0]).name} was ended by signal {-process.returncode} before it was done; try again",
        )
    return subprocess.CompletedProcess(list(argv), process.returncode, said, complained)


def _attend(process: subprocess.Popen[str], check: Check) -> tuple[str, str]:
    while True:
        try:
            return process.communicate(timeout=_NAP)
        except subprocess.TimeoutExpired:
            check()
