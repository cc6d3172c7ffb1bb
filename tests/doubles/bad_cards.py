"""Bad cards for tests: block devices whose faults the test turns on and off. See `bad_medium.py` for them."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from pathlib import Path
from typing import Any, Final

from tests.doubles.cards import loop_problem, tool

_ROOT: Final = Path(__file__).resolve().parents[2]
_PATIENCE: Final = 60.0


class BadDevice:
    """A block device at `node` over the file `medium`, which shows what the card really holds."""

    def __init__(self, process: subprocess.Popen[str], medium: Path) -> None:
        self.medium = medium
        self._process = process
        self._news: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._follow, daemon=True).start()
        self.node: str = self.wait_for("ready")["node"]

    def set(self, **faults: Any) -> None:
        """From now on these faults; named ones are replaced, others stay."""
        self._order({"set": faults})
        self.wait_for("set")

    def release(self) -> None:
        """Let go what is stalled."""
        self.set(stalls=[])

    def come_back(self, *, as_card: Path | None = None) -> None:
        """Insert the card again, or another (its medium) in its place, once nobody holds the node any more.

        Returns at once; `wait_for("returned")` tells when it is there.
        """
        self._order({"return": str(as_card) if as_card else ""})

    def wait_for(self, news: str) -> dict[str, Any]:
        """Blocks until the device tells this (`stalled`, `gone`, `returned`); what it told earlier counts."""
        while True:
            found = self._news.get(timeout=_PATIENCE)
            if found["news"] == news:
                return found
            if found["news"] == "ended":
                raise RuntimeError(f"the bad card ended before it told {news}: {found['said']}")

    def _order(self, order: dict[str, Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def _follow(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._news.put(json.loads(line))
        assert self._process.stderr
        self._news.put({"news": "ended", "said": self._process.stderr.read()})


def bad_card_problem() -> str:
    """Why this machine can have no bad cards; empty when it can."""
    if problem := loop_problem():
        return problem
    if not Path("/dev/fuse").exists() or find_library("fuse3") is None:
        return "bad cards need FUSE (apt-get install fuse3; modprobe fuse)"
    return ""


@contextmanager
def bad_card(medium: Path, *, claimed: int | None = None, limbo: bool = False) -> Iterator[BadDevice]:
    """The file as a card that claims so many bytes (its own size by default), without faults at first."""
    size = medium.stat().st_size if claimed is None else claimed
    with tempfile.TemporaryDirectory(prefix="bad-card-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.doubles.bad_card", folder, medium, str(size), *["limbo"] * limbo],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
            env={**os.environ, "FUSE_LIBRARY_NAME": "fuse3"},
        )
        try:
            yield BadDevice(process, medium)
        finally:
            _end(process, folder)


def _end(process: subprocess.Popen[str], folder: str) -> None:
    """It takes itself down when its stdin ends; one that was killed has to be helped."""
    assert process.stdin
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        code = process.wait(_PATIENCE)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            assert pipe
            pipe.close()
        _detach_leftovers(folder)
    assert code == 0, f"the bad card ended with {code}"


def _detach_leftovers(folder: str) -> None:
    losetup = tool("losetup") or "losetup"
    held = subprocess.run(
        [losetup, "-n", "-O", "NAME", "-j", f"{folder}/card"], capture_output=True, text=True, check=False
    )
    for node in held.stdout.split():
        subprocess.run([losetup, "-d", node], check=False)
    if Path(folder).is_mount():
        subprocess.run([tool("umount") or "umount", "-l", folder], check=True)
