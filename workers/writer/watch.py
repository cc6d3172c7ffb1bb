"""A watch over the calls to one card: how many at once, how long each, and when one will never come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from workers.report import Report
from workers.writer.card import Card, Stalled
from workers.writer.identity import Identity
from workers.writer.latency import Histogram

Result = TypeVar("Result")

_TICK: Final = 0.25  # seconds between two looks at a call that is not back yet; a cancel is heard as often


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds of one call to a card: after `warn` calls go one by one, after `fail` nobody waits longer."""

    warn: float = 30.0
    fail: float = 120.0


class Watch:
    """Lets `depth` calls go at once. The thread that waits calls `look`, or waits by `wait`."""

    def __init__(self, name: str, report: Report, patience: Patience, depth: int) -> None:
        self.depth = depth
        self.written = Histogram()
        self.read = Histogram()
        self.busy = 0.0  # seconds in which the card had a call to answer, however many at once
        self._name = name
        self._report = report
        self._patience = patience
        self._free = threading.Condition()
        self._began: dict[int, float] = {}
        self._busy_since = 0.0
        self._given_up = False

    @contextmanager
    def call(self, histogram: Histogram | None = None) -> Iterator[None]:
        """Around one call; waits until there is room for it."""
        me = threading.get_ident()
        with self._free:
            self._free.wait_for(lambda: self._given_up or len(self._began) < self.depth)
            if self._given_up:
                raise Stalled(self._name, self._patience.fail)
            began = time.monotonic()
            if not self._began:
                self._busy_since = began
            self._began[me] = began
        try:
            yield
        finally:
            with self._free:
                del self._began[me]
                if not self._began:
                    self.busy += time.monotonic() - self._busy_since
                self._free.notify_all()
            if histogram is not None:
                histogram.add(time.monotonic() - began)

    def look(self) -> None:
        """The ladder: warn, let calls go one by one, give up with `Stalled`."""
        with self._free:
            age = time.monotonic() - min(self._began.values()) if self._began else 0.0
        if age > self._patience.fail:
            raise self.give_up()
        if age > self._patience.warn and self.depth > 1:
            self.depth = 1
            self._report.log(
                f"{self._name} has not answered for {age:.0f} s; from now on one call at a time."
            )

    def wait(self, future: Future[Result], *, heeds_cancel: bool = True) -> Result:
        """The future's result, with an eye on the card and on whoever may cancel."""
        tick = min(_TICK, self._patience.warn / 2)
        while not wait([future], tick).done:
            self.look()
            if heeds_cancel:
                self._report.check()
        return future.result()

    def give_up(self) -> Stalled:
        """No call begins any more; the error to raise."""
        with self._free:
            self._given_up = True
            self._free.notify_all()
        return Stalled(self._name, self._patience.fail)

    def patience(self) -> float:
        """Seconds to wait for calls under way when leaving: none if it is known that they hang."""
        return 0.0 if self._given_up else self._patience.fail


class WatchedCard:
    """A card all of whose calls are under watch."""

    def __init__(self, inner: Card, watch: Watch) -> None:
        self._inner = inner
        self._watch = watch

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def block(self) -> int:
        return self._inner.block

    def size(self) -> int:
        return self._inner.size()

    def identity(self) -> Identity:
        return self._inner.identity()

    def present(self) -> bool:
        with self._watch.call():  # it opens the device: a reader may keep that waiting
            return self._inner.present()

    def write(self, data: memoryview, offset: int) -> int:
        with self._watch.call(self._watch.written):
            return self._inner.write(data, offset)

    def read_into(self, buffer: memoryview, offset: int) -> int:
        with self._watch.call(self._watch.read):
            return self._inner.read_into(buffer, offset)

    def discard(self, offset: int, length: int) -> None:
        with self._watch.call():
            self._inner.discard(offset, length)

    def flush(self) -> None:
        with self._watch.call():
            self._inner.flush()

    def drop_caches(self) -> None:
        with self._watch.call():
            self._inner.drop_caches()

    def close(self) -> None:
        self._inner.close()
