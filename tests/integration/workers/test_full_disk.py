"""A disk without a byte left: nothing begins, what has begun is ended, and all goes on once there is room."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.doubles.image import Image
from tests.doubles.server import Server
from tests.doubles.warehouse import Warehouse
from workers import places, reconcile
from workers.bench import Bench
from workers.config import Config
from workers.contract import Kind, Outcome
from workers.host import Host
from workers.journal import BALLAST, Journal, JournalError
from workers.presence import Presence
from workers.run import run

MIB = 2**20


@pytest.fixture
def disk(config: Config) -> Iterator[Path]:
    """The host's data folder, on a disk of its own of 40 MiB."""
    config.data.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=40m", "small", str(config.data)]
    if os.geteuid() != 0 or not shutil.which("mount") or subprocess.run(mount, check=False).returncode:
        pytest.skip("needs root and the right to mount a tmpfs")
    yield config.data
    subprocess.run(["umount", "--lazy", str(config.data)], check=True)


@pytest.fixture
def host(disk: Path, host_of: Callable[[Kind], Host]) -> Iterator[Host]:
    """The downloader on that disk."""
    return host_of(Kind.DOWNLOAD)


def fill(disk: Path) -> Path:
    """A file that takes all the room there is, to the last byte."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file:
        for size in (MIB, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    assert shutil.disk_usage(disk).free == 0
    return filler


class TestNothingBegins:
    def test_a_full_disk_refuses_the_claim_and_ends_no_worker(
        self,
        disk: Path,
        host: Host,
        server: Server,
        warehouse: Warehouse,
        image: Image,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        task = server.add("download", image.spec)
        bench = Bench(1, lambda task: run(task, host))
        presence = Presence(host, bench)
        presence.beat()  # tokens are here by now
        filler = fill(disk)
        server.ring = [task.id]
        presence.beat()
        bench.wait()
        assert server.calls["claim"] == 0
        said = capsys.readouterr().out
        assert f"free at least {BALLAST} bytes" in said
        assert str(disk / "journal.db") in said
        filler.unlink()
        # twice the image and what the download holds back would not fit this disk
        assert shutil.disk_usage(disk).free > BALLAST
        presence.beat()
        bench.wait()
        assert server.calls["claim"] == 1

    def test_images_that_nobody_needs_make_the_room(
        self, disk: Path, host: Host, server: Server, image: Image
    ) -> None:
        task = server.add("download", image.spec)
        bench = Bench(1, lambda task: run(task, host))
        presence = Presence(host, bench)
        presence.beat()
        old = places.images_folder(disk, server.add("download", {}).order)
        old.mkdir(parents=True)
        fill(disk).rename(old / "demo.img.zst")
        server.ring, server.keep = [task.id], []
        presence.beat()
        bench.wait()
        assert not old.exists()
        assert server.calls["claim"] == 1

    def test_a_host_that_must_log_in_again_is_still_heard(
        self, disk: Path, host: Host, server: Server
    ) -> None:
        host.api.assignments()
        filler = fill(disk)
        (disk / "tokens.json").write_bytes(b"")  # what a crash in the middle of a write leaves
        fill(disk)
        server.forget_tokens()
        calls = server.calls["auth/token"]
        for _ in range(3):
            host.api.assignments()
        assert server.calls["auth/token"] == calls + 1, "one login, kept in memory"
        filler.unlink()
        server.forget_tokens()
        host.api.assignments()
        assert (disk / "tokens.json").stat().st_size > 0
        assert server.calls["auth/token"] == calls + 1, "the newest refresh token was used"


class TestWhatHasBegunIsEnded:
    def test_endings_are_kept_with_the_space_that_was_held_back(self, disk: Path, host: Host) -> None:
        claims = [host.journal.begin(f"task-{number}", Kind.DOWNLOAD, "boot") for number in range(3)]
        fill(disk)
        for number, claim_id in enumerate(claims):
            host.journal.claimed(claim_id, 1, "order")
            reconcile._end(host, claim_id, f"task-{number}", 1)
        with closing(Journal(disk / "journal.db")) as journal:
            assert [message.task for message in journal.owed(Kind.DOWNLOAD)] == ["task-0", "task-1", "task-2"]
            assert journal.begun(Kind.DOWNLOAD) == []
            with pytest.raises(JournalError, match="begins nothing"):
                journal.begin("task-4", Kind.DOWNLOAD, "boot")

    def test_a_card_that_is_written_meanwhile_counts(
        self, disk: Path, config: Config, host_of: Callable[[Kind], Host], server: Server, image: Image
    ) -> None:
        writer = host_of(Kind.WRITE)
        card = Path(config.slots[0].device or "")
        card.write_bytes(bytes(16 * MIB))
        state = Presence(writer, Bench(1, lambda _: None))._here()["slots"][0]
        slot = {"name": "A", "diskseq": state["diskseq"], "size": state["size"]}
        task = server.add("write", {**image.spec, "unit": 1, "serial": "S-1", "slot": slot})
        shutil.copytree(image.folder, places.images_folder(disk, task.order))
        full: list[Path] = []

        def fill_once(path: str) -> str:
            if path.endswith("/permit") and not full:
                full.append(fill(disk))
            return ""

        server.lose = fill_once
        ending = run(task.id, writer)
        assert full
        assert ending is not None
        assert ending.outcome is Outcome.DONE, ending
        assert [final["outcome"] for final in task.finals] == ["done"]
        assert writer.journal.owed(Kind.WRITE) == []
