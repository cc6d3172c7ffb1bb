"""What every part of a worker process needs: who we are, and whom we talk to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue

from workers import machine
from workers.api import Api
from workers.config import Config
from workers.contract import Kind
from workers.journal import Journal
from workers.live import Live
from workers.logs import Scrubber
from workers.spare import Spare

WORKERS = {"creator": Kind.CREATE, "downloader": Kind.DOWNLOAD, "writer": Kind.WRITE}


@dataclass(frozen=True)
class Host:
    """One worker process of one host. `stopping` is set when it was asked to end.

    `written` brings the names of slots in which an attempt ended: their cards may hold something else now.
    `live` are the attempts at work. `spare` is the process for the next one. `stuck`: tasks and attempts
    whose folders could not be removed, and when (monotonic) that is tried again.
    """

    kind: Kind
    config: Config
    api: Api
    journal: Journal
    scrub: Scrubber
    boot_id: str = field(default_factory=machine.boot_id)
    stopping: threading.Event = field(default_factory=threading.Event)
    written: SimpleQueue[str] = field(default_factory=SimpleQueue)
    live: Live = field(default_factory=Live)
    spare: Spare = field(default_factory=Spare)
    stuck: dict[tuple[str, int | None], float] = field(default_factory=dict)


@contextmanager
def open_host(kind: Kind, config: Config) -> Iterator[Host]:
    """A `Host` whose connections are closed at the end."""
    config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with Api(config) as api, closing(Journal(config.data / "journal.db")) as journal:
        yield Host(kind, config, api, journal, Scrubber(config.secrets))
