"""How long the calls to a card took: a small histogram, the earliest sign of a worn or forged card."""

from __future__ import annotations

import threading
from typing import Final

from workers.contract import Latencies

BUCKETS: Final = 16  # bucket N: less than 2**N milliseconds, and not less than half of that; the last: more
_SLOW: Final = 1000.0  # milliseconds


class Histogram:
    """Counts calls by their duration in powers of two of a millisecond. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._buckets = [0] * BUCKETS
        self._longest = 0.0
        self._slow = 0

    def add(self, seconds: float) -> None:
        milliseconds = seconds * 1000
        with self._lock:
            self._buckets[min(int(milliseconds).bit_length(), BUCKETS - 1)] += 1
            self._longest = max(self._longest, milliseconds)
            self._slow += milliseconds > _SLOW

    def facts(self) -> Latencies:
        """For the card's record: counts, percentiles (a bucket's upper edge, in ms), the longest call."""
        with self._lock:
            buckets, longest, slow = list(self._buckets), self._longest, self._slow
        return {
            "calls": sum(buckets),
            "p50_ms": _percentile(buckets, 0.50, longest),
            "p99_ms": _percentile(buckets, 0.99, longest),
            "longest_ms": round(longest, 1),
            "over_1s": slow,
            "buckets": buckets,
        }


def _percentile(buckets: list[int], share: float, longest: float) -> float:
    """The upper edge of the bucket in which that share of all calls is reached; never above the longest."""
    wanted = share * sum(buckets)
    seen = 0
    for number, count in enumerate(buckets):
        seen += count
        if seen and seen >= wanted:
            return round(longest if number == BUCKETS - 1 else min(longest, 2.0**number), 1)
    return 0.0
