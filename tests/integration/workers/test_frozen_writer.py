"""R6: a writer that was frozen with its card's permit in hand, and another attempt that gets the card.

The old one is a process of its own, with its own child. It is stopped (SIGSTOP) at the moment at which the
server gives the permit: woken, the next thing it does is to write.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.doubles.image import MIB, Image, make_image
from tests.doubles.server import Server, Task
from workers import courier, places, reconcile
from workers.contract import Kind
from workers.errors import SlotError
from workers.host import Host
from workers.journal import Begun
from workers.run import run
from workers.writer.slots import find, open_card

STALE_BYTES = b"\xa5" * MIB * 16
SCRIPT = (
    "import sys; from pathlib import Path; from workers.config import load\n"
    "from workers.contract import Kind\n"
    "from workers.host import open_host; from workers.run import run\n"
    "with open_host(Kind.WRITE, load(Path(sys.argv[1]), {})) as host: run(sys.argv[2], host)\n"
)


@dataclass
class Frozen:
    """The old writer: its process, and the child that holds the card."""

    process: subprocess.Popen[bytes]
    begun: Begun

    @property
    def child(self) -> int:
        assert self.begun.pid is not None
        return self.begun.pid

    def thaw(self) -> None:
        """Both go on, if they live."""
        for group in (self.child, self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGCONT)


@pytest.fixture
def card(tmp_path: Path) -> Path:
    card = tmp_path / "card-a.img"
    card.write_bytes(STALE_BYTES)
    return card


@pytest.fixture
def host(host_of: Callable[[Kind], Host]) -> Host:
    """The new writer of the same machine."""
    return host_of(Kind.WRITE)


def card_task(server: Server, host: Host, image: Image) -> Task:
    state = find(host.config.slots[0])
    slot = {"name": "A", "diskseq": state["diskseq"], "size": state["size"]}
    task = server.add("write", {**image.spec, "unit": 1, "serial": "S-0001", "slot": slot})
    shutil.copytree(image.folder, places.images_folder(host.config.data, task.order))
    return task


@pytest.fixture
def task(server: Server, image: Image, host: Host, card: Path) -> Task:
    return card_task(server, host, image)


def stops(pid: int, within: float = 30) -> bool:
    """Is the process stopped before long? On a busy machine it takes the signal a little later."""
    deadline = time.monotonic() + within
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def frozen(server: Server, task: Task, host: Host) -> Iterator[Frozen]:
    """Stopped between the permit and the first byte; its server has given it up since."""

    def freeze(path: str) -> str:
        if path.endswith("/permit"):
            server.lose = lambda _path: ""
            (begun,) = host.journal.begun(Kind.WRITE)
            assert begun.pid is not None
            os.killpg(begun.pid, signal.SIGSTOP)
            os.killpg(process.pid, signal.SIGSTOP)
        return ""

    server.lose = freeze
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(host.config.path), task.id],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        server.wait_for(lambda: task.permits)
        (begun,) = host.journal.begun(Kind.WRITE)
        assert begun.pid is not None
        assert stops(begun.pid)
        assert stops(process.pid)
        yield Frozen(process, begun)
    finally:
        for group in {process.pid, *(begun.pid for begun in host.journal.begun(Kind.WRITE) if begun.pid)}:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        process.wait()


def test_r06_nobody_gets_the_card_while_the_frozen_one_holds_it(
    server: Server, frozen: Frozen, host: Host, card: Path
) -> None:
    """A writer that knows nothing of the other: no journal, no word from the server. The lock is there."""
    seen = find(host.config.slots[0])

    with pytest.raises(SlotError) as refusal:
        open_card(
            host.config.slots[0],
            expect_diskseq=seen["diskseq"],
            lock_dir=places.locks_folder(host.config.data),
        )

    assert (refusal.value.code, str(frozen.child) in str(refusal.value)) == ("slot_busy", True)
    assert card.read_bytes() == STALE_BYTES


def test_r06_another_task_for_that_slot_is_refused_before_its_permit(
    server: Server, frozen: Frozen, host: Host, card: Path, image: Image
) -> None:
    other = card_task(server, host, image)

    run(other.id, host)

    (final,) = other.finals
    assert (final["trouble"]["fault"], final["trouble"]["code"]) == ("slot", "slot_busy")
    assert other.permits == []
    assert card.read_bytes() == STALE_BYTES


def test_r06_a_new_writer_kills_the_frozen_one_and_writes_its_own_card(
    server: Server, frozen: Frozen, task: Task, host: Host, card: Path, tmp_path: Path
) -> None:
    reconcile.bury(host, running=list)
    assert courier.deliver(host)
    task.attempt += 1  # somebody confirmed a card again
    frozen.thaw()  # the child is dead, whatever wakes
    assert frozen.process.wait(60) == 0
    assert card.read_bytes() == STALE_BYTES, "half a second more, and it would have written"
    assert [(final["attempt"], final["trouble"]["code"]) for final in task.finals] == [(1, "interrupted")]

    second = make_image(tmp_path / "second", name="second", seed=8)
    fresh = card_task(server, host, second)
    run(fresh.id, host)

    assert [final["outcome"] for final in fresh.finals] == ["done"]
    assert card.read_bytes()[: len(second.plain)] == second.plain
    assert len(task.finals) == 1, "the old one has nothing more to say"


def test_r06_frozen_before_it_asked_it_gets_no_permit_any_more(
    server: Server, task: Task, host: Host, card: Path
) -> None:
    """What the server says to an attempt that is over (`tasks_app`): then not a byte is written."""
    task.permit_problem = (409, "stale")

    run(task.id, host)

    assert card.read_bytes() == STALE_BYTES
    assert [final["outcome"] for final in task.finals] == ["failed"]
