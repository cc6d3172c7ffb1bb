"""The words of the protocol, and the queues that bells go to."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

PROTOCOL: Final = 2  # 2: creators make a torrent where the spec asks for one
API: Final = "/api/v1"
TICKET_AUDIENCE: Final = "warehouse"


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


_WORKERS: Final = {Kind.CREATE: "creator", Kind.DOWNLOAD: "downloader", Kind.WRITE: "writer"}


def queue_of(kind: Kind, place: str) -> str:
    """The dedicated queue: `creator.<channel>`, `downloader.<host>` or `writer.<host>`."""
    return f"{_WORKERS[kind]}.{place}"


def nudge_of(kind: Kind, host: str) -> str:
    """The list in the broker on which one worker is told to beat at once, also while it works."""
    return f"nudge.{_WORKERS[kind]}.{host}"
