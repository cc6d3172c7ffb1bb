"""Runs a program that is not ours, so that it and all that it starts end with us.

Run as `python -I leash.py PROGRAM ARGUMENT…`, as the leader of a process group, with a pipe as stdin. When
the pipe ends, because whoever holds its other end is gone, so does the group. Standard library only.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

MISSING = 127
UNUSABLE = 126
SIGNALED = 128  # and the signal's number above that: the shells' custom


def main(arguments: list[str]) -> int:
    """The program's exit code, in the words of a shell."""
    signal.signal(signal.SIGTERM, lambda *_: None)  # the program's to obey; a handler is not inherited
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL)
    except OSError as error:
        sys.stderr.write(f"{arguments[0]}: {error.strerror}\n")
        return MISSING if isinstance(error, FileNotFoundError) else UNUSABLE
    code = process.wait()
    return SIGNALED - code if code < 0 else code


def _end_with_stdin() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
