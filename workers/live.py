"""The attempts that this process is at: the beat names them to the server, and brings each its answer."""

from __future__ import annotations

import threading
from typing import Protocol

from workers.contract import REPORT_AT_MOST_EVERY, Answer, BeatAnswer, Held


class Attempting(Protocol):
    """An attempt, as far as the beat knows it."""

    held: Held

    def told(self, answer: Answer) -> None: ...


class Live:
    """Thread-safe. `pace`: seconds between two signs of life of an attempt, as the server last said."""

    def __init__(self) -> None:
        self.pace: float = REPORT_AT_MOST_EVERY
        self._attempts: dict[str, Attempting] = {}
        self._lock = threading.Lock()

    def add(self, attempt: Attempting) -> None:
        """The server gave us this attempt."""
        with self._lock:
            self._attempts[attempt.held["task"]] = attempt

    def remove(self, attempt: Attempting) -> None:
        """It is over. Another attempt at the same task stays."""
        with self._lock:
            if self._attempts.get(attempt.held["task"]) is attempt:
                del self._attempts[attempt.held["task"]]

    def held(self) -> list[Attempting]:
        """All of them now."""
        with self._lock:
            return list(self._attempts.values())

    def take(self, asked: list[Attempting], answer: BeatAnswer) -> None:
        """The answer to a beat that named `asked`. An old server says nothing of them."""
        self.pace = max(REPORT_AT_MOST_EVERY, answer.get("pace", self.pace))
        if "answers" not in answer:
            return
        for attempt in asked:
            attempt.told(Answer(answer["answers"].get(attempt.held["task"], Answer.GO)))
