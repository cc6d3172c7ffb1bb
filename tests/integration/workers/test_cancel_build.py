"""A cancel reaches a build of a real host in every phase, though the phase would never end by itself."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.programs import BOUND, DEAF, MORTAL, Holding
from tests.doubles.server import Server
from tests.doubles.warehouse import Warehouse
from tests.integration.creator.server import ContentServer
from tests.integration.creator.test_cancel_command import tar
from tests.integration.workers.test_create_task import ask, content, creator, incoming, left_of, recipe
from workers.child import MARK
from workers.host import Host
from workers.run import run

__all__ = ["content", "creator", "incoming", "recipe"]
Wait = Callable[[], object]


class World:
    """All that can hold a build up."""

    def __init__(
        self, content: ContentServer, incoming: Warehouse, recipe: dict[str, Any], programs: Path
    ) -> None:
        self.content, self.incoming, self.recipe, self.programs = content, incoming, recipe, programs

    def stall(self, path: str, *, via: str = "direct", drips: bool = False) -> Wait:
        page = self.content.pages[path]
        page.stall_after, page.drips = len(page.data) // 2, drips
        if via != "direct":
            self.recipe["files"] = [{"url": self.content.url(path), "to": "/data/it", "via": via}]
        return lambda: self.content.stalled.wait(BOUND)

    def hold(self, program: str, manner: str, nth: int = 1) -> Wait:
        return Holding(self.programs, program, manner, nth).wait

    def fill_up(self) -> Wait:
        self.incoming.take_at_most = 1_000_000
        return lambda: self.incoming.full.wait(BOUND)


PHASES: dict[str, Callable[[World], Wait]] = {
    "a stalled base": lambda world: world.stall("/base.img"),
    "a stalled download": lambda world: world.stall("/one.zim"),
    "a slow download": lambda world: world.stall("/one.zim", drips=True),
    "a stalled tar": lambda world: world.stall("/one.tar", via="tar"),
    "a slow tar": lambda world: world.stall("/one.tar", via="tar", drips=True),
    "e2fsck before": lambda world: world.hold("e2fsck", DEAF),
    "mke2fs": lambda world: world.hold("mke2fs", DEAF),
    "e2fsck after": lambda world: world.hold("e2fsck", MORTAL, 3),
    "upload": lambda world: world.fill_up(),
}


@pytest.mark.parametrize("phase", PHASES)
def test_a_cancel_in_every_phase(
    server: Server,
    content: ContentServer,
    incoming: Warehouse,
    recipe: dict[str, Any],
    creator: Host,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    phase: str,
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    content.put("/one.tar", tar())
    wait = PHASES[phase](World(content, incoming, recipe, tmp_path / "bin"))
    task = ask(server, recipe)
    thread = threading.Thread(target=run, args=(task.id, creator))
    thread.start()
    wait()
    assert task.finals == [], "it is still at work"
    assert working(task.claim_id)
    with server.changed:
        task.answer = "cancel"
    thread.join(BOUND)
    assert [final["outcome"] for final in task.finals] == ["canceled"]
    assert "trouble" not in task.finals[0]
    assert working(task.claim_id) == []
    assert left_of(creator) == []
    assert incoming.published == []


def working(claim_id: str) -> list[int]:
    """The processes of an attempt: all that it started carry its mark."""
    mark = f"{MARK}={claim_id}".encode()
    found = []
    for place in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in place.read_bytes().split(b"\0"):
                found.append(int(place.parent.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # gone, or not ours
    return found
