"""What a host says about an attempt."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from workers.contract.files import FileFacts


class Progress(TypedDict):
    """Bytes (or items) of the current step; rate per second; ETA in seconds."""

    done: int
    total: int | None
    rate: float | None
    eta: float | None


class LogPiece(TypedDict):
    """A piece of the attempt's log: `offset` in characters, so that a resent piece changes nothing."""

    offset: int
    text: str


class Trouble(TypedDict):
    """A failure: whose fault, a stable code, and a sentence that a person can act on."""

    fault: str
    code: str
    message: str


class Report(TypedDict):
    """Body of `POST tasks/<id>/report`. The same `event_id` repeated changes nothing."""

    event_id: str
    attempt: int
    step: str
    progress: NotRequired[Progress]
    log: NotRequired[LogPiece]
    outcome: NotRequired[Literal["done", "failed", "canceled"]]
    trouble: NotRequired[Trouble]
    result: NotRequired[dict[str, Any]]


class CreateResult(TypedDict):
    """`result` of a create task that is done."""

    files: list[FileFacts]
    image_size: int
    image_sha256: str
    mapped_bytes: int


class Latencies(TypedDict):
    """How long calls took: percentiles are upper edges of `buckets`, whose N-th ends at 2**N ms."""

    calls: int
    p50_ms: float
    p99_ms: float
    longest_ms: float
    over_1s: int
    buckets: list[int]


class ChangedRange(TypedDict):
    """A range of the image that is different on this card."""

    offset: int
    length: int
    sha256: str


class PersonalFacts(TypedDict):
    """What a card has of its own: files of its boot partition, and the ranges that hold them."""

    serial: str
    files: dict[str, str]
    ranges: list[ChangedRange]


class CardResult(TypedDict):
    """`result` of a write task that is done: what was read back from the card itself."""

    slot: str
    diskseq: int | None
    card_bytes: int
    device: dict[str, Any]
    written_bytes: int
    read_back_sha256: str
    write_rate: float
    read_rate: float
    rewritten_ranges: int
    skipped_bytes: int  # found right on the card already, so not written again
    stamps: int  # random blocks in free space, read back at the end
    returns: int  # times that the reader was reset and the same card came back
    depth: int  # calls at once, at the end
    write_latency: Latencies
    read_latency: Latencies
    per_card: NotRequired[PersonalFacts]
