"""The one thing both sides touch: names, limits and message shapes of the host protocol.

Standard library only. `docs/protocol.md` tells the same in prose.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final, Literal, NotRequired, TypedDict

PROTOCOL: Final = 1

API: Final = "/api/v1"


class Kind(StrEnum):
    """What a task does; also which kind of worker may claim it."""

    CREATE = "create"
    DOWNLOAD = "download"
    WRITE = "write"


class Fault(StrEnum):
    """Whose fault a failure is. Decides what happens next, on both sides."""

    JOB = "job"  # the order or its inputs are wrong: fails at once
    HOST = "host"  # this host cannot: another attempt may succeed
    SLOT = "slot"  # this reader cannot
    CARD = "card"  # this card cannot: the task waits for another card
    BUG = "bug"  # ours


class Outcome(StrEnum):
    """How an attempt ended, in the words of the host that made it."""

    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"


class Answer(StrEnum):
    """What the server says to a report."""

    GO = "go"
    CANCEL = "cancel"
    STALE = "stale"


class Step(StrEnum):
    """Free progress words of a running task; shown to people, translated on the web side."""

    CLAIMED = "claimed"
    CHECKING = "checking"
    FETCHING = "fetching"
    BUILDING = "building"
    PACKING = "packing"
    UPLOADING = "uploading"
    PUBLISHING = "publishing"
    DOWNLOADING = "downloading"
    VERIFYING = "verifying"
    WIPING = "wiping"
    WRITING = "writing"
    READING_BACK = "reading_back"


class Right(StrEnum):
    """What a warehouse ticket allows."""

    STORE = "store"
    READ = "read"


# Celery messages are doorbells: the task's id and the protocol, nothing else.
CELERY_NAMES: Final[dict[Kind, str]] = {kind: f"workers.{kind}" for kind in Kind}


def queue_of(kind: Kind, place: str) -> str:
    """The dedicated queue: `creator.<channel>`, `downloader.<host>` or `writer.<host>`."""
    worker = {Kind.CREATE: "creator", Kind.DOWNLOAD: "downloader", Kind.WRITE: "writer"}[kind]
    return f"{worker}.{place}"


# Times, in seconds. The host gets durations and counts on its own monotonic clock.
LEASE: Final = 90
REPORT_EVERY: Final = 15  # at least; jittered by 20 %
REPORT_AT_MOST_EVERY: Final = 1
RECLAIM: Final = 15 * 60  # of builds; downloads and cards are pinned, only a cancel ends them
BEAT_EVERY: Final = 5
BUILD_LIMIT: Final = 36 * 3600
WIPE_LIMIT: Final = 30 * 60
SLOWEST_TRANSFER: Final = 524_288  # bytes per second
TRANSFER_FLOOR: Final = 600
STALL_LIMIT: Final = 15 * 60
BUILD_STALL_LIMIT: Final = 4 * 3600
TICKET_LIFE: Final = 10 * 60
MAX_ATTEMPTS: Final[dict[Kind, int]] = {Kind.CREATE: 3, Kind.DOWNLOAD: 5, Kind.WRITE: 3}

# Sizes, in bytes.
MAX_LOG_CHUNK: Final = 64 * 1024
MAX_LOG_KEPT: Final = 4 * 1024 * 1024

# Texts, in characters.
MAX_SLOT_NAME: Final = 20  # what fits a tile
MAX_TROUBLE: Final = 4000  # the message of a trouble

# File names of one image: NAME + suffix.
IMAGE_SUFFIX: Final = ".img.zst"
BMAP_SUFFIX: Final = ".img.bmap"
MANIFEST_SUFFIX: Final = ".manifest.json"
SIGNATURE_SUFFIX: Final = ".manifest.json.sig"
TORRENT_SUFFIX: Final = ".img.zst.torrent"  # beside these four where the spec asks for it
ARTIFACT_SUFFIXES: Final = (IMAGE_SUFFIX, BMAP_SUFFIX, MANIFEST_SUFFIX, SIGNATURE_SUFFIX)

TICKET_AUDIENCE: Final = "warehouse"


def is_whole(suffixes: Iterable[str]) -> bool:
    """Whether files that end so are one image: the four, and a torrent or none."""
    return sorted(suffixes) in (sorted(ARTIFACT_SUFFIXES), sorted((*ARTIFACT_SUFFIXES, TORRENT_SUFFIX)))


def transfer_limit(size: int) -> int:
    """Seconds that a transfer or a card write of `size` bytes may take (hard limit)."""
    return max(TRANSFER_FLOOR, size // SLOWEST_TRANSFER)


class FileFacts(TypedDict):
    """One stored file: name without folder, size in bytes, SHA-256 in hex."""

    name: str
    size: int
    sha256: str


class CreateSpec(TypedDict):
    """What a creator needs: the file stem, the recipe as YAML text, and whether to make a torrent."""

    name: str
    recipe: str
    torrent: NotRequired[bool]


class DownloadSpec(TypedDict):
    """What a downloader needs: the files and the public key (hex) that signed the manifest."""

    name: str
    files: list[FileFacts]
    signing_key: str


class SlotFacts(TypedDict):
    """The slot whose card an operator confirmed, as the host last reported it."""

    name: str
    diskseq: int | None
    size: int


class WriteSpec(TypedDict):
    """What a writer needs: image (downloaded before), slot, unit and the card's serial number."""

    name: str
    files: list[FileFacts]
    signing_key: str
    unit: int
    serial: str
    slot: SlotFacts


class Claim(TypedDict):
    """Body of `POST tasks/<id>/claim`."""

    claim_id: str
    boot_id: str
    protocol: int
    version: str


class Assignment(TypedDict):
    """Answer to a claim, and one row of `GET hosts/me/assignments`."""

    task: str
    order: str
    kind: str
    attempt: int
    claim_id: str
    lease: float
    deadline: int
    report_every: float
    spec: dict[str, Any]


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


class SlotState(TypedDict):
    """One slot in a beat: what is in the reader now. `problem` names why it may not be written."""

    name: str
    present: bool
    size: int
    diskseq: int | None
    model: str
    contents: str
    problem: str


class Held(TypedDict):
    """An attempt that a worker is at."""

    task: str
    attempt: int


class Beat(TypedDict):
    """Body of `POST hosts/me/beat`, every few seconds, one per worker kind and host.

    It renews the leases of all `attempts`.
    """

    kind: str
    boot_id: str
    version: str
    protocol: int
    free_bytes: int
    running: list[str]
    attempts: NotRequired[list[Held]]
    slots: NotRequired[list[SlotState]]


class BeatAnswer(TypedDict):
    """Task ids that wait for this worker (a bell that needs no broker), and whether to stop claiming.

    `keep`, for writer hosts alone: the orders whose images may still be needed there. All others may go.
    To a beat with `attempts`: `answers`, by task, for those that are not to go on; `pace`, the seconds
    between two beats of a host at work and between two reports without a new step; `every`, the seconds
    between two beats of a host that waits.
    """

    ring: list[str]
    drain: bool
    keep: NotRequired[list[str]]
    answers: NotRequired[dict[str, str]]
    pace: NotRequired[float]
    every: NotRequired[float]


class Ticket(TypedDict):
    """Answer to `POST tasks/<id>/ticket {attempt}`: where and how to log in to the warehouse."""

    host: str
    port: int
    tls: bool
    user: str
    password: str
    right: str
    expires_in: int


class PermitRequest(TypedDict):
    """Body of `POST tasks/<id>/permit`: the insertion that is about to be wiped and written."""

    event_id: str
    attempt: int
    slot: str
    diskseq: int | None
    boot_id: str
    card_bytes: int
