"""How long an attempt may take, and how long it may stand still."""

from __future__ import annotations

from workers.child import State
from workers.contract import BUILD_STALL_LIMIT, STALL_LIMIT, Fault, Step, Trouble

_MOVES_BYTES = {Step.UPLOADING, Step.DOWNLOADING, Step.WRITING, Step.READING_BACK, Step.WIPING}


class Limits:
    """Judges the states of one attempt. Times are seconds of any one monotonic clock."""

    def __init__(self, deadline: float, now: float) -> None:
        self._deadline = deadline
        self._began = now
        self._state = State()
        self._moved = now

    def exceeded(self, state: State, now: float) -> Trouble | None:
        """The trouble, once a limit is passed."""
        if state != self._state:
            self._state, self._moved = state, now
        stall = STALL_LIMIT if state.step in _MOVES_BYTES else BUILD_STALL_LIMIT
        if self._deadline and now - self._began > self._deadline:
            return _trouble(
                "too_slow", f"not finished {self._deadline / 3600:.1f} h after it began (step {state.step})"
            )
        if now - self._moved > stall:
            return _trouble("stalled", f"step {state.step} has not moved for {stall // 60} minutes")
        return None


def _trouble(code: str, what: str) -> Trouble:
    return {
        "fault": Fault.HOST,
        "code": code,
        "message": f"Stopped: {what}. Look at this host's disk and network, then retry.",
    }
