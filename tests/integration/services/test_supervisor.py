"""The embedded services as a process: signals, sudden deaths, two at once, and how others find them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing

import psycopg
import pytest
import redis

from imager.services import NotRunning, ensure, running, start, urls

from .conftest import ROOT, environment, is_alive, pids, vanish


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_stops_when_asked(supervise, number):
    supervisor = supervise()
    state = supervisor.await_ready()
    supervisor.popen.send_signal(number)
    code, out, err = supervisor.end()
    assert (code, out, err) == (0, "Stopped.\n", "")
    assert not any(map(is_alive, pids(state)))
    assert not (supervisor.var / "services.json").exists()


def test_it_says_where_the_addresses_are_and_never_the_passwords(supervise):
    supervisor = supervise()
    state = supervisor.await_ready()
    assert str(supervisor.var / "services.json") in supervisor.printed[0]
    supervisor.popen.terminate()
    said = supervisor.printed[0] + "".join(map(str, supervisor.end()))
    for url in (state["database_url"], state["redis_url"]):
        assert url.rpartition("@")[0].rpartition(":")[2] not in said


def test_killed_it_leaves_no_server_and_the_next_one_finds_the_data(supervise):
    supervisor = supervise()
    state = supervisor.await_ready()
    with psycopg.connect(state["database_url"]) as db:
        db.execute("CREATE TABLE kept AS SELECT 1 AS one")
    with redis.Redis.from_url(state["redis_url"]) as broker:
        broker.set("kept", "yes")
    supervisor.popen.kill()
    with start(supervisor.var) as services:  # at once: it waits for the old servers by itself
        assert vanish(pids(state), within=0)
        with psycopg.connect(services.database_url) as db:
            assert db.execute("SELECT one FROM kept").fetchone() == (1,)
        with redis.Redis.from_url(services.redis_url) as broker:
            assert broker.get("kept") == b"yes"


def test_killed_with_a_client_connected_it_leaves_no_server(supervise):
    supervisor = supervise()
    state = supervisor.await_ready()
    db = psycopg.connect(state["database_url"])
    with closing(db), redis.Redis.from_url(state["redis_url"]) as broker:
        db.execute("SELECT 1")
        broker.ping()
        supervisor.popen.kill()
        assert vanish(pids(state))


def test_killed_while_it_makes_the_database_it_leaves_nothing_that_harms(supervise, tmp_path):
    supervisor = supervise()
    while not (tmp_path / "var/postgres/data.new").exists():
        assert supervisor.popen.poll() is None
    supervisor.popen.kill()
    with start(supervisor.var, fsync=False) as services:
        psycopg.connect(services.database_url).close()


@pytest.mark.parametrize(("name", "word"), [("postgres", "PostgreSQL"), ("valkey", "Valkey")])
def test_a_server_that_dies_ends_it_with_a_reason(supervise, name, word):
    supervisor = supervise()
    state = supervisor.await_ready()
    os.kill(state[name]["pid"], signal.SIGKILL)
    code, _, err = supervisor.end()
    assert code == 1
    assert err.startswith(
        f"{word} was ended by SIGKILL. The end of its log, {supervisor.var}/log/{name}.log:\n"
    )
    assert "ready to accept connections" in err.lower()
    assert vanish(pids(state))


def test_two_at_once_one_wins_and_the_other_says_so(supervise):
    rivals = [supervise(), supervise()]
    codes = []
    for rival in rivals:
        assert rival.popen.stdout is not None
        line = rival.popen.stdout.readline()
        if "are running" in line:
            rival.popen.terminate()
        codes.append((rival.end()[0], line))
    winners = [code for code, line in codes if line]
    assert winners
    assert all(code == 0 for code in winners)
    assert all(code == 1 for code, line in codes if not line)


def test_a_second_one_is_refused_with_the_file_that_names_the_first(supervise):
    first = supervise()
    state = first.await_ready()
    second = supervise()
    code, out, err = second.end()
    assert (code, out) == (1, "")
    assert "already running" in err
    assert str(first.var / "services.json") in err
    assert "Traceback" not in err
    assert all(map(is_alive, pids(state)))


def test_others_find_them_while_they_run(supervise, monkeypatch):
    supervisor = supervise()
    monkeypatch.setenv("IMAGER_VAR", str(supervisor.var))
    state = supervisor.await_ready()
    found = running(supervisor.var)
    assert found == ensure(supervisor.var) == urls() == urls(supervisor.var)
    assert (found.database_url, found.redis_url) == (state["database_url"], state["redis_url"])
    assert state["database_url"] not in repr(found)
    supervisor.popen.kill()
    supervisor.popen.wait()
    assert (supervisor.var / "services.json").exists()
    assert running(supervisor.var) is None


@pytest.mark.parametrize("state", [None, '{"database_url": "postgres://old", "redis_url": "redis://old"}'])
def test_where_none_run_the_error_names_what_to_do(tmp_path, monkeypatch, state):
    if state:
        (tmp_path / "services.json").write_text(state)
        (tmp_path / "services.lock").touch()
    monkeypatch.setenv("IMAGER_VAR", str(tmp_path))
    assert running(tmp_path) is None
    with pytest.raises(NotRunning, match=r"(?s)make up.*DATABASE_URL and REDIS_URL") as caught:
        urls()
    assert str(tmp_path) in str(caught.value)


def test_looking_does_not_disturb_a_start(supervise):
    """`running` touches the lock for a moment; a supervisor that begins just then must not be refused."""
    supervisor = supervise()
    while supervisor.popen.poll() is None and running(supervisor.var) is None:
        pass
    supervisor.await_ready()


def test_they_know_no_django():
    """Settings, demo and tests ask for the services: they must not need Django."""
    program = "import sys; sys.modules['django'] = None; import imager.services, imager.services.__main__"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment(), check=True)


def test_a_server_that_died_is_started_again_where_it_was_with_what_it_knew(tmp_path):
    tmp_path.chmod(0o711)
    with start(tmp_path) as services:
        with psycopg.connect(services.database_url) as db:
            db.execute("CREATE TABLE kept AS SELECT 1 AS one")
        database, broker = services.servers
        database.popen.send_signal(signal.SIGQUIT)
        broker.popen.kill()
        for server in services.servers:
            server.popen.wait(30)

        assert services.revive() == ["PostgreSQL", "Valkey"]
        assert services.revive() == []

        services.check()
        with psycopg.connect(services.database_url) as db:
            assert db.execute("SELECT one FROM kept").fetchone() == (1,)
        with redis.Redis.from_url(services.redis_url) as again:
            assert again.ping()
        fresh = [server.popen.pid for server in services.servers]
        state = running(tmp_path)
        assert state is not None
        assert (state.database_url, state.redis_url) == (services.database_url, services.redis_url)
    assert not any(map(is_alive, fresh))
