"""Processes that stand still for a while and then go on as if nothing had happened."""

from __future__ import annotations

import signal
import time

from .processes import descendants, named, send

Frozen = list[tuple[int, int | None]]


class Freezer:
    """Stops processes; `thaw` lets those go on whose time has come."""

    def __init__(self) -> None:
        self._frozen: list[tuple[float, Frozen]] = []

    def freeze(self, *pids: int, seconds: float) -> bool:
        """Stop each for `seconds`; False when none was there."""
        stopped = [named(pid) for pid in pids if send(pid, signal.SIGSTOP)]
        if stopped:
            self._frozen.append((time.monotonic() + seconds, stopped))
        return bool(stopped)

    def freeze_tree(self, root: int, seconds: float) -> bool:
        """`root` and all below it, the root first, so that nothing new begins meanwhile."""
        return self.freeze(root, seconds=seconds) and (
            self.freeze(*descendants(root), seconds=seconds) or True
        )

    def is_frozen(self, pid: int) -> bool:
        """Whether it stands still by our hand."""
        return any(pid == one for _, stopped in self._frozen for one, _ in stopped)

    def thaw(self, *, all_of_them: bool = False) -> None:
        """Let go on what has stood long enough."""
        now = time.monotonic()
        due = [entry for entry in self._frozen if all_of_them or entry[0] <= now]
        self._frozen = [entry for entry in self._frozen if entry not in due]
        for _, stopped in due:
            for pid, start in stopped:
                if named(pid) == (pid, start) and start is not None:
                    send(pid, signal.SIGCONT)
