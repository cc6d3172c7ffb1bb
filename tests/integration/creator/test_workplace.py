"""The folder of a build goes whatever happens, and nothing that is mounted in it goes with it."""

import os
import signal
import subprocess
import sys
import uuid

import pytest

from workers import mounts, places
from workers.creator.workplace import work_folder
from workers.errors import HostError

CHILD = """
import sys
from pathlib import Path
from workers.creator.workplace import work_folder
with work_folder(Path(sys.argv[1]), "card") as work:
    (work / "half").write_bytes(b"x" * 1000)
    print(work, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def builder(tmp_path):
    """A build of another process, in the middle of its work."""
    started = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "out")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    started.folder = started.stdout.readline().decode().strip()
    yield started
    if started.poll() is None:
        started.communicate(b"")


def folders(tmp_path):
    return sorted(str(each) for each in (tmp_path / "out").iterdir())


def test_what_a_killed_build_left_goes_when_the_next_one_begins(tmp_path, builder):
    builder.send_signal(signal.SIGKILL)
    builder.communicate()
    assert folders(tmp_path) == [builder.folder]
    with work_folder(tmp_path / "out", "other") as work:
        assert folders(tmp_path) == [str(work)]
    assert folders(tmp_path) == []


def test_a_build_that_goes_on_keeps_its_folder(tmp_path, builder):
    with work_folder(tmp_path / "out", "other") as work:
        assert folders(tmp_path) == sorted([str(work), builder.folder])
    assert folders(tmp_path) == [builder.folder]


def test_what_is_not_ours_stays(tmp_path):
    folders = (".b.work.txt", ".card.abcd1234.work", ".notes.work", "a.work")
    for name in folders:
        (tmp_path / "out" / name).mkdir(parents=True)
        (tmp_path / "out" / name / "precious").write_text("precious")
    (tmp_path / "out/.file.work").write_text("mine")
    with work_folder(tmp_path / "out", "card"):
        pass
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == sorted([*folders, ".file.work"])
    assert all((tmp_path / "out" / name / "precious").exists() for name in folders)


@pytest.fixture
def mounted(tmp_path):
    """`mounted(point)` shows somebody's folder there, too; its files must survive."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount")
    victim, points = tmp_path / "victim", []
    victim.mkdir()
    (victim / "precious").write_text("precious")

    def mount(point):
        point.mkdir(parents=True)
        if subprocess.run(["mount", "--bind", str(victim), str(point)], check=False).returncode:
            pytest.skip("mounts are not allowed here")
        points.append(point)

    yield mount
    for point in points:
        subprocess.run(["umount", str(point)], capture_output=True, check=False)
    assert (victim / "precious").read_text() == "precious"


def test_a_live_mount_is_let_go_before_the_folder_is_removed(tmp_path, mounted):
    with work_folder(tmp_path / "out", "card") as work:
        mounted(work / "build" / "a mount")
    assert folders(tmp_path) == []


def test_a_mount_that_cannot_be_let_go_keeps_the_folder(tmp_path, mounted, monkeypatch):
    monkeypatch.setattr(mounts, "_unmount", lambda target: f"{target} (busy)")
    with pytest.raises(HostError, match=r"mount \(busy\).*Release it by hand"):  # noqa: SIM117
        with work_folder(tmp_path / "out", "card") as work:
            mounted(work / "mount")
    assert folders(tmp_path) == [str(work)]
    monkeypatch.undo()
    with work_folder(tmp_path / "out", "card"):
        assert not work.exists()


def test_the_folder_of_an_attempt_that_was_killed(tmp_path, mounted):
    """A killed worker's outside builder leaves its mounts behind: the next start clears that folder."""
    task = str(uuid.uuid4())
    mounted(places.work_folder(tmp_path, task, 1) / ".card.x.work" / "mount")
    places.clear_work(tmp_path, task, 1)
    assert not places.work_folder(tmp_path, task, 1).exists()
