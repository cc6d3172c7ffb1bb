"""The launcher: what it execs, what it refuses, what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from imager.services import launch

LAUNCHER = Path(launch.__file__)
NOBODY = 65534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change accounts: run as root")


def run(*argv: str, prefix: Sequence[str] = (), **job: object) -> subprocess.CompletedProcess[str]:
    job = {
        "argv": argv,
        "uid": None,
        "gid": None,
        "reads": [],
        "writes": [],
        "cwd": "/",
        "death_signal": int(signal.SIGTERM),
        "parent": os.getpid(),
        **job,
    }
    command = [*prefix, sys.executable, "-I", "-S", str(LAUNCHER), json.dumps(job)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_it_becomes_the_command_in_its_folder(tmp_path):
    done = run("/bin/sh", "-c", "pwd; umask; exit 3", cwd=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (3, f"{tmp_path}\n0077\n", "")


def test_it_does_not_start_for_a_parent_that_is_gone():
    done = run("/bin/sh", "-c", "echo started", parent=1 if os.getpid() != 1 else 2)
    assert (done.returncode, done.stdout) == (launch.ORPHANED, "")


def test_it_unblocks_signals_that_the_supervisor_waits_for():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD})
    try:
        done = run("/bin/grep", "SigBlk", "/proc/self/status")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert int(done.stdout.split()[1], 16) == 0


def test_a_missing_command_is_an_error_that_names_it():
    done = run("/no/such/program")
    assert done.returncode == 1
    assert "No such file or directory" in done.stderr


def test_its_own_command_dies_with_the_parent(tmp_path):
    """The parent is a shell that we kill; the launched command holds the pipe that we read to its end."""
    job = {
        "argv": ["/bin/sleep", "600"],
        "uid": None,
        "gid": None,
        "reads": [],
        "writes": [],
        "cwd": "/",
        "death_signal": int(signal.SIGTERM),
    }
    program = (
        "import json, os, subprocess, sys, time\n"
        f"job = {job!r} | {{'parent': os.getpid()}}\n"
        f"child = subprocess.Popen([sys.executable, '-I', '-S', {str(LAUNCHER)!r}, json.dumps(job)])\n"
        "while 'sleep' not in open(f'/proc/{child.pid}/cmdline').read().split(chr(0))[0]: time.sleep(0.01)\n"
        "print('up', flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up\n"
        parent.kill()
        assert parent.communicate(timeout=60)[0] == ""  # the end of the pipe: nobody holds it any more


@as_root
def test_root_becomes_nobody_without_a_way_back(tmp_path):
    script = "import os\nprint(os.getresuid(), os.getgroups())\nos.setuid(0)"
    done = run("/usr/bin/python3", "-c", script, uid=NOBODY, gid=NOBODY, reads=["/usr/bin/python3"])
    assert done.stdout == f"({NOBODY}, {NOBODY}, {NOBODY}) []\n"
    assert "PermissionError" in done.stderr


@as_root
@pytest.mark.parametrize(
    ("folder", "program", "capability"),
    [
        (0o755, 0o755, None),
        (0o700, 0o755, launch.CAP_DAC_READ_SEARCH),
        (0o700, 0o700, launch.CAP_DAC_OVERRIDE),
    ],
)
def test_it_keeps_the_smallest_capability_that_lets_nobody_in(folder, program, capability):
    home = Path("/tmp") / f"imager-launch-{os.getpid()}"
    home.mkdir()
    try:
        shell = home / "grep"
        shell.write_bytes(Path("/bin/grep").read_bytes())
        shell.chmod(program)
        home.chmod(folder)
        done = run(str(shell), "CapEff", "/proc/self/status", uid=NOBODY, gid=NOBODY, reads=[str(shell)])
        expected = 0 if capability is None else 1 << capability
        assert int(done.stdout.split()[1], 16) == expected
    finally:
        (home / "grep").unlink()
        home.rmdir()


@as_root
@pytest.mark.skipif(not Path("/usr/bin/setpriv").exists(), reason="needs setpriv (util-linux)")
@pytest.mark.parametrize(
    ("dropped", "code"), [("-setpcap", 0), ("-setuid", launch.UNREACHABLE), ("-setgid", launch.UNREACHABLE)]
)
def test_a_root_without_all_powers_goes_as_far_as_it_can(dropped, code):
    prefix = ["setpriv", f"--bounding-set={dropped}", f"--inh-caps={dropped}"]
    done = run("/bin/true", prefix=prefix, uid=NOBODY, gid=NOBODY, reads=["/bin/true"])
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_nothing_it_starts_can_gain_privileges():
    done = run("/bin/grep", "NoNewPrivs", "/proc/self/status")
    assert done.stdout.split() == ["NoNewPrivs:", "1"]


@as_root
def test_where_nothing_helps_it_says_so_by_its_exit_code():
    done = run("/bin/true", uid=NOBODY, gid=NOBODY, reads=["/no/such/program"])
    assert done.returncode == launch.UNREACHABLE


@as_root
def test_reading_past_folders_is_not_enough_for_a_folder_to_write_to():
    home = Path("/tmp") / f"imager-launch-{os.getpid()}"
    home.mkdir(mode=0o700)
    try:
        done = run("/bin/grep", "CapEff", "/proc/self/status", uid=NOBODY, gid=NOBODY, writes=[str(home)])
        assert int(done.stdout.split()[1], 16) == 1 << launch.CAP_DAC_OVERRIDE
    finally:
        home.rmdir()
