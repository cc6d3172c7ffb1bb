"""Waiting longer after each failure, never in step with the neighbours."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """`first` seconds, doubling up to `most`; each wait is a random 50–100 % of that."""

    first: float = 1.0
    most: float = 30.0

    def delays(self) -> Iterator[float]:
        """Endless: one value per failure."""
        ceiling = self.first
        while True:
            yield min(ceiling, self.most) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
            ceiling = min(ceiling * 2, self.most)
