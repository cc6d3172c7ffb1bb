"""R21: a host's wall clock jumps by a day in the middle of its work. It counts on the monotonic clock."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.chaos import clock
from tests.doubles.image import MIB, Image
from tests.doubles.server import Server
from tests.doubles.warehouse import Warehouse
from workers.contract import Kind
from workers.host import Host

SCRIPT = (
    "import sys, time; from pathlib import Path; from workers.config import load\n"
    "from workers.bench import Bench; from workers.contract import Kind\n"
    "from workers.host import open_host; from workers.presence import Presence; from workers.run import run\n"
    "with open_host(Kind.DOWNLOAD, load(Path(sys.argv[1]), {})) as host:\n"
    "    begun = time.time()\n"
    "    bench = Bench(1, lambda task: run(task, host))\n"
    "    presence = Presence(host, bench, every=0.05)\n"
    "    presence.start()\n"
    "    bench.run(sys.argv[2])\n"
    "    presence.end(); presence.join()\n"
    "    print(round((time.time() - begun) / 86400), flush=True)\n"
)

pytestmark = pytest.mark.skipif(clock.LIBRARY is None, reason=clock.MISSING)


@pytest.fixture
def slow(server: Server, image: Image) -> Iterator[Warehouse]:
    """Sends six of nine MiB, and the rest when it is told to."""
    warehouse = Warehouse(image.folder)
    warehouse.hold_after = 6 * MIB
    server.ticket = warehouse.ticket
    yield warehouse
    warehouse.close()


@pytest.mark.parametrize("days", [1, -1])
def test_r21_a_download_in_the_middle_of_which_the_clock_jumps_needs_one_attempt(
    server: Server,
    slow: Warehouse,
    image: Image,
    host_of: Callable[[Kind], Host],
    tmp_path: Path,
    days: int,
) -> None:
    task, host = server.add("download", image.spec), host_of(Kind.DOWNLOAD)
    clocks = clock.Clocks(tmp_path / "clocks", exact=True)
    worker = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(host.config.path), task.id],
        stdout=subprocess.PIPE,
        env={**os.environ, **clocks.environment("worker")},
    )
    try:
        server.wait_for(lambda: any(report["step"] == "downloading" for report in task.reports))
        clocks.set("worker", days * clock.DAY)
        seen = len(server.beats)
        server.wait_for(lambda: len(server.beats) > seen + 5)  # it lives on, and says so
        slow.hold_after = None
        output, _ = worker.communicate(timeout=60)
    finally:
        worker.kill()
        worker.wait()

    assert int(output.split()[-1]) == days, "its clock did jump"
    assert (worker.returncode, task.attempt, task.releases) == (0, 1, [])
    assert [final["outcome"] for final in task.finals] == ["done"]
    assert {held["attempt"] for beat in server.beats for held in beat["attempts"]} == {1}
    assert server.calls["auth/token"] == 1, "nor does a jump end a token"
