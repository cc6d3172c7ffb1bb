"""`run`: the downloader and the writer of this host as children, started again when they die."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from argparse import Namespace
from pathlib import Path

from rich.console import Console

from workers.backoff import Backoff
from workers.child import import_path
from workers.config import ConfigError, default_path, load
from workers.signals import Signaled, arm, pause

PATIENCE = Backoff(first=1.0, most=60.0)
STEADY = 60.0  # seconds after which a worker counts as healthy


def run(_options: Namespace, console: Console) -> int:
    """Until SIGTERM or SIGINT. A card that is being written is finished first."""
    path = default_path()
    config = load(path)
    if not config.enabled:
        raise ConfigError(
            f"This host is disabled in {path}: enable it with `python -m workers.whost enable`."
        )
    names = ["downloader", "writer"] if config.slots else ["downloader"]
    if not config.slots:
        console.print("This host has no slots: only the downloader is started. Add one with: whost slots add")
    keepers = [Keeper([name], path) for name in names]
    for keeper in keepers:
        keeper.start()
    with contextlib.suppress(Signaled):
        arm()
        console.print(f"Running: {', '.join(names)}. Ctrl-C ends them.")
        pause()
    console.print("Ending. A card that is being written is finished first.")
    for keeper in keepers:
        keeper.end()
    for keeper in keepers:
        keeper.join()
    return 0


class Keeper(threading.Thread):
    """Keeps one worker process alive."""

    def __init__(self, worker: list[str], config: Path, backoff: Backoff = PATIENCE) -> None:
        super().__init__(name=f"keeper-{worker[0]}")
        self._argv = [sys.executable, "-P", "-m", "workers", *worker, "--parent", str(os.getpid())]
        self._env = {**os.environ, "IMAGER_CONFIG": str(config), "PYTHONPATH": import_path()}
        self._backoff = backoff
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.process: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        delays = self._backoff.delays()
        while (process := self._spawn()) is not None:
            began = time.monotonic()
            process.wait()
            if time.monotonic() - began > STEADY:
                delays = self._backoff.delays()
            self._ended.wait(next(delays))

    def end(self) -> None:
        """Ask the worker to end, and start no other."""
        with self._lock:
            self._ended.set()
            if self.process is not None:
                self.process.terminate()

    def _spawn(self) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._ended.is_set():
                return None
            self.process = subprocess.Popen(
                self._argv, env=self._env, stdin=subprocess.DEVNULL, start_new_session=True
            )
            return self.process
