"""How long an attempt may take, and how long it may stand still."""

from __future__ import annotations

from workers.child import State
from workers.contract import (
    BUILD_LIMIT,
    BUILD_STALL_LIMIT,
    STALL_LIMIT,
    WIPE_LIMIT,
    Fault,
    Step,
    Trouble,
    transfer_limit,
    upload_limit,
)

_TRANSFERS = {Step.DOWNLOADING, Step.WRITING, Step.READING_BACK}
_MOVES_BYTES = {*_TRANSFERS, Step.UPLOADING, Step.WIPING}
_BUILDS = {Step.FETCHING, Step.BUILDING, Step.PACKING}


class Limits:
    """Judges the states of one attempt. Times are seconds of any one monotonic clock.

    `deadline` is for the whole attempt; each step has a limit of its own, by its bytes where it moves bytes.
    """

    def __init__(self, deadline: float, now: float) -> None:
        self._deadline = deadline
        self._began = self._step_began = now
        self._state = State()
        self._moved = now

    def exceeded(self, state: State, now: float) -> Trouble | None:
        """The trouble, once a limit is passed."""
        if (state.step, state.total) != (self._state.step, self._state.total):
            self._step_began = now
        if state != self._state:
            self._state, self._moved = state, now
        stall = STALL_LIMIT if state.step in _MOVES_BYTES else BUILD_STALL_LIMIT
        if self._deadline and now - self._began > self._deadline:
            return _trouble(
                "too_slow", f"not finished {self._deadline / 3600:.1f} h after it began (step {state.step})"
            )
        if (late := self._late(state, now)) is not None:
            return _trouble("too_slow", f"step {state.step} took longer than {late / 3600:.1f} h")
        if now - self._moved > stall:
            return _trouble("stalled", f"step {state.step} has not moved for {stall // 60} minutes")
        return None

    def _late(self, state: State, now: float) -> float | None:
        """The limit that this step has passed. A build goes to and fro between its steps: they share one."""
        if state.step in _BUILDS:
            return BUILD_LIMIT if now - self._began > BUILD_LIMIT else None
        if state.step is Step.WIPING:
            limit = WIPE_LIMIT
        elif state.step is Step.UPLOADING and state.total is not None:
            limit = upload_limit(state.total)  # the line to the warehouse gives up first, and says why
        elif state.step in _TRANSFERS and state.total is not None:
            limit = transfer_limit(state.total)
        else:
            return None
        return limit if now - self._step_began > limit else None


def _trouble(code: str, what: str) -> Trouble:
    return {
        "fault": Fault.HOST,
        "code": code,
        "message": f"Stopped: {what}. Look at this host's disk and network, then retry.",
    }
