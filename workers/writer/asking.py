"""Before a card is overwritten at somebody's word: say what is on it, and ask."""

from __future__ import annotations

import sys

from workers.errors import Canceled
from workers.imaging.sizes import exact
from workers.writer.opening import Candidate, contents_of


def show(path: str, candidate: Candidate) -> None:
    """Size, reader and present contents, in a line on stderr; and what makes it slow."""
    identity = candidate.identity
    where = f" at USB port {identity.port}" if identity.port else ""
    model = f", {identity.model}" if identity.model else ""
    say(f"{path}: {exact(identity.size)}{model}{where}; holds now: {contents_of(candidate)}")
    if candidate.disk and candidate.disk.usb and candidate.disk.usb.held_back:
        say(
            f"{path}: its USB 3 reader has a USB 2 link; at a USB 3 port or with a better cable it is faster."
        )


def ask() -> None:
    """Raises Canceled unless the answer is yes."""
    say("Everything on it will be lost. Type yes to go on:")
    if sys.stdin.readline().strip().lower() != "yes":
        raise Canceled("Nothing was written: that was not a yes.")


def say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
