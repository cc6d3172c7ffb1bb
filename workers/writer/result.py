"""What was proved about a card that was written."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import cast

from workers.contract import CardResult, Latencies
from workers.writer.identity import Identity


@dataclass(frozen=True, slots=True)
class BurnResult:
    """`read_back_sha256`: SHA-256 over the binary digests of all mapped ranges, ascending, each as it was
    read from the card. `written_bytes` counts mapped bytes once, also those that were right before
    (`skipped_bytes`); rates are bytes per second of what was really moved.
    """

    identity: Identity
    written_bytes: int
    read_back_sha256: str
    write_rate: float
    read_rate: float
    rewritten_ranges: int
    skipped_bytes: int
    stamps: int
    returns: int
    depth: int
    write_latency: Latencies
    read_latency: Latencies

    def as_result(self, slot: str) -> CardResult:
        """In the shape that a report carries."""
        told = asdict(self)
        del told["identity"]
        identity = self.identity
        place = {"diskseq": identity.diskseq, "card_bytes": identity.size, "device": identity.facts()}
        return cast("CardResult", {"slot": slot, **place, **told})
