"""Ctrl-C in every phase of a real build: each is held there and would never end by itself."""

import gzip
import io
import os
import signal
import subprocess
import sys
import tarfile
import zipfile
from random import Random

import pytest
import yaml

from tests.doubles.programs import BOUND, DEAF, MORTAL, POLITE, Holding, hear
from tests.integration.creator.test_build import REPOSITORY, left

NOISE = Random(7).randbytes(600_000)

# A build that says by a pipe when it is at a step, and waits there for its cancel. "slow": without libext2fs.
HELD = """
import sys
from workers.creator import cli
from workers.imaging import libext2fs
from workers.terminal import TerminalReport
step, nth, pipe, way = sys.argv[1:5]
class Report(TerminalReport):
    seen = []
    def step(self, name, total=None):
        super().step(name, total)
        self.seen.append(name)
        if name == step and self.seen.count(name) == int(nth):
            open(pipe, "w").write("here")
            while not self._canceled.wait(0.05):
                pass
cli.TerminalReport = Report
libext2fs.NAME = "libnothing.so.9" if way == "slow" else libext2fs.NAME
sys.exit(cli.main(sys.argv[5:]))
"""


@pytest.fixture
def started(tmp_path, demo_base):
    """`started(files, *way)` begins a build of these files as its person would, in a group of its own."""
    processes = []

    def start(files, *held):
        recipe = tmp_path / "card.yaml"
        page = {"base": {"source": str(demo_base)}, "output": {"size": "128MiB"}, "files": files}
        recipe.write_text(yaml.safe_dump(page))
        command = ["-c", HELD, *held] if held else ["-m", "workers.creator.build"]
        processes.append(
            subprocess.Popen(
                [sys.executable, *command, str(recipe), str(tmp_path / "out")],
                cwd=REPOSITORY,
                env={**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "HOME": str(tmp_path)},
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
        return processes[0]

    yield start
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def interrupt(process):
    os.killpg(process.pid, signal.SIGINT)


def assert_canceled(process, tmp_path):
    """It ended by the person's wish alone, with one sentence, and nothing of it is left."""
    _, said = process.communicate(timeout=BOUND)
    assert process.returncode == 7, said
    assert said.splitlines()[-1] == "canceled by the person at the terminal"
    assert "Traceback" not in said
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert left(tmp_path / "out") == []


def tar():
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for number in range(3):
            member = tarfile.TarInfo(f"{number}.bin")
            member.size = len(NOISE)
            archive.addfile(member, io.BytesIO(NOISE))
    return packed.getvalue()


def zipped():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("one.bin", NOISE)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("via", "drips"), [("direct", False), ("direct", True), ("gztar", False), ("tar", True), ("zip", False)]
)
def test_while_content_arrives(started, server, tmp_path, via, drips):
    data = {"direct": NOISE, "tar": tar(), "gztar": gzip.compress(tar(), mtime=0), "zip": zipped()}[via]
    url = server.put("/it", data, stall_after=len(data) // 2, drips=drips)
    process = started([{"url": url, "to": "/data/it", "via": via}])
    assert server.stalled.wait(BOUND)
    interrupt(process)
    assert_canceled(process, tmp_path)


@pytest.mark.parametrize(
    ("program", "nth", "manner"),
    [
        ("e2fsck", 1, MORTAL),
        ("e2fsck", 1, POLITE),
        ("e2fsck", 1, DEAF),
        ("e2fsck", 2, DEAF),
        ("mke2fs", 1, DEAF),
        ("e2fsck", 3, MORTAL),
    ],
)
def test_while_a_program_runs(started, tmp_path, program, nth, manner):
    holding = Holding(tmp_path / "bin", program, manner, nth)
    process = started([{"content": "hello", "to": "/data/it"}])
    holding.wait()
    interrupt(process)
    assert_canceled(process, tmp_path)


@pytest.mark.parametrize(("program", "nth"), [("mke2fs", 2), ("debugfs", 1)])
def test_while_a_program_fills(started, tmp_path, program, nth):
    holding = Holding(tmp_path / "bin", program, DEAF, nth)
    process = started([{"content": "hello", "to": "/data/it"}], "none", "1", "", "slow")
    holding.wait()
    interrupt(process)
    assert_canceled(process, tmp_path)


@pytest.mark.parametrize(
    ("step", "nth"), [("checking", 1), ("fetching", 1), ("building", 1), ("building", 2), ("packing", 1)]
)
def test_at_the_head_of_each_step(started, server, tmp_path, step, nth):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    files = [{"url": server.put("/it", zipped()), "to": "/data/it", "via": "zip"}]
    process = started(files, step, str(nth), str(pipe), "fast")
    hear(pipe)
    interrupt(process)
    assert_canceled(process, tmp_path)
