"""Programs that never end, in the place of those that a build starts."""

from __future__ import annotations

import os
import select
import shutil
import sys
from pathlib import Path

BOUND = 120  # seconds; nothing that is waited for takes so long
MORTAL = "SIG_DFL"  # ended by the signals that ask for it
DEAF = "SIG_IGN"  # ended by SIGKILL alone
POLITE = "lambda *_: sys.exit(32)"  # as e2fsck does it
_HEARS = "import os, signal, sys\nsignals = (signal.SIGINT, signal.SIGTERM)"
_SBIN = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


class Holding:
    """The program `name` in `folder`, which is to be first in PATH: its `nth` call never ends by itself."""

    def __init__(self, folder: Path, name: str, manner: str, nth: int = 1) -> None:
        folder.mkdir(exist_ok=True)
        self._runs = folder / f"{name}.runs"
        os.mkfifo(self._runs)
        manner = manner if manner == POLITE else f"signal.{manner}"
        program = folder / name
        program.write_text(
            f"#!{sys.executable} -IS\n{_HEARS}\n"
            f"with open('{folder / name}.calls', 'ab') as calls:\n    calls.write(b'.')\n"
            f"    nth = calls.tell()\n"
            f"if nth != {nth}:\n    os.execv('{shutil.which(name, path=_SBIN)}', sys.argv)\n"
            f"for each in signals:\n    signal.signal(each, {manner})\n"
            f"with open('{self._runs}', 'w') as runs:\n    runs.write('runs')\n"
            "while True:\n    signal.pause()\n"
        )
        program.chmod(0o755)

    def wait(self) -> None:
        """Return once it runs."""
        hear(self._runs)


def hear(pipe: Path) -> None:
    """Return once somebody has written to a named pipe."""
    listening = os.open(pipe, os.O_RDWR)  # for writing too: so it does not wait for another one to open it
    try:
        assert select.select([listening], [], [], BOUND)[0], f"nobody ever wrote to {pipe.name}"
    finally:
        os.close(listening)
