"""The embedded services as a library: what is inside, what is kept, what is refused."""

from __future__ import annotations

import os
import re
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from imager.services import AlreadyRunning, ServerDied, Services, ServicesError, process, start
from imager.services.layout import Layout


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with start(tmp_path_factory.mktemp("services") / "var", fsync=True) as services:
        yield services


def passwords_of(services: Services) -> set[str]:
    return set(Layout(services.var).load_passwords().__dict__.values())


def test_the_database_is_ours_and_we_are_nobody_special(services):
    with psycopg.connect(services.database_url, autocommit=True) as db:
        row = db.execute(
            "SELECT current_user, current_database(), rolsuper, rolcreatedb, rolcreaterole "
            "FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert row == ("imager", "imager", False, True, False)
        owner = db.execute("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'imager'")
        assert owner.fetchone() == ("imager",)
        db.execute("CREATE DATABASE test_imager")
        db.execute("DROP DATABASE test_imager")
        db.execute("CREATE EXTENSION btree_gist")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.execute("COPY (SELECT 1) TO PROGRAM 'true'")


def test_text_does_not_depend_on_the_machine(services):
    with psycopg.connect(services.database_url) as db:
        row = db.execute(
            "SELECT datlocprovider::text, datlocale, pg_encoding_to_char(encoding) "
            "FROM pg_database WHERE datname = current_database()"
        ).fetchone()
        assert row == ("b", "C.UTF-8", "UTF8")
        assert db.execute("SHOW timezone").fetchone() == ("UTC",)
        assert db.execute("SHOW password_encryption").fetchone() == ("scram-sha-256",)


def test_only_loopback_and_only_with_the_password(services):
    where = urlsplit(services.database_url)
    with psycopg.connect(services.database_url) as db:
        assert db.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
    assert not [name for name in Path("/tmp").iterdir() if f"PGSQL.{where.port}" in name.name]
    for user in ("imager", "postgres"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(host="127.0.0.1", port=where.port, user=user, password="guess", dbname="imager")
    port = urlsplit(services.redis_url).port
    once = Retry(NoBackoff(), 0)
    with redis.Redis(port=port, retry=once) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    with (
        redis.Redis(port=port, password="guess", retry=once) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_valkey_keeps_everything(services):
    with redis.Redis.from_url(services.redis_url) as broker:
        found = broker.config_get("appendonly", "maxmemory-policy", "save")
    assert found == {"appendonly": "yes", "maxmemory-policy": "noeviction", "save": ""}


def test_passwords_show_nowhere(services):
    secrets = passwords_of(services)
    assert len(secrets) == 3
    seen = repr(services) + "".join(
        Path(f"/proc/{server.popen.pid}/{name}").read_text()
        for server in services.servers
        for name in ("cmdline", "environ")
    )
    logs = "".join(log.read_text() for log in (services.var / "log").iterdir())
    for secret in secrets:
        assert secret not in seen
        assert secret not in logs


def test_files_that_hold_secrets_are_private(services):
    found = {}
    for folder, _, names in os.walk(services.var):
        for path in (Path(folder, name) for name in names):
            if any(secret in path.read_text(errors="ignore") for secret in passwords_of(services)):
                found[path.name] = stat.S_IMODE(path.stat().st_mode)
    assert found == {"services.json": 0o600, "services.passwords.json": 0o600}
    assert stat.S_IMODE((services.var / "valkey/users.acl").stat().st_mode) == 0o600
    for folder in ("postgres", "valkey"):
        assert stat.S_IMODE((services.var / folder).stat().st_mode) == 0o700


def test_a_second_start_is_refused(services):
    with pytest.raises(AlreadyRunning, match=re.escape(f"{services.var} are already running")):
        start(services.var)
    services.check()


def test_a_second_start_keeps_data_users_and_passwords(tmp_path):
    with start(tmp_path) as first:
        before = passwords_of(first)
        with psycopg.connect(first.database_url) as db:
            db.execute("CREATE TABLE kept (word text)")
            db.execute("INSERT INTO kept VALUES ('été')")
        with redis.Redis.from_url(first.redis_url) as broker:
            broker.set("kept", "yes")
            broker.acl_setuser(
                "writer-1", enabled=True, passwords=["+its-own"], keys=["writer.*"], commands=["+get"]
            )
            broker.acl_save()
    with start(tmp_path) as second:
        assert passwords_of(second) == before
        with psycopg.connect(second.database_url) as db:
            assert db.execute("SELECT word FROM kept").fetchone() == ("été",)
        with redis.Redis.from_url(second.redis_url) as broker:
            assert broker.get("kept") == b"yes"
            assert sorted(broker.acl_users()) == ["default", "writer-1"]
        port = urlsplit(second.redis_url).port
        with redis.Redis(port=port, username="writer-1", password="its-own") as host:
            assert host.get("writer.x") is None
            with pytest.raises(redis.exceptions.NoPermissionError):
                host.get("kept")


def test_stop_leaves_nothing(tmp_path):
    services = start(tmp_path, fsync=False)
    ports = [urlsplit(url).port for url in (services.database_url, services.redis_url)]
    services.stop()
    services.stop()
    assert not any(server.is_alive() for server in services.servers)
    assert not (tmp_path / "services.json").exists()
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


def test_a_stale_pid_file_does_not_matter_even_if_the_number_lives(tmp_path):
    start(tmp_path, fsync=False).stop()
    as_server = {"user": "nobody"} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "600"], **as_server) as innocent:
        try:
            stale = f"{innocent.pid}\n{tmp_path}/postgres/data\n1\n5432\n\n127.0.0.1\n\nready   \n"
            (tmp_path / "postgres/data/postmaster.pid").write_text(stale)
            start(tmp_path, fsync=False).stop()
            assert innocent.poll() is None
        finally:
            innocent.kill()


def test_a_first_start_that_was_cut_off_begins_anew(tmp_path):
    half = tmp_path / "postgres/data.new/base"
    half.mkdir(parents=True)
    (half / "1").write_text("half")
    with start(tmp_path, fsync=False) as services, psycopg.connect(services.database_url) as db:
        assert db.execute("SELECT 1").fetchone() == (1,)
    assert not (tmp_path / "postgres/data.new").exists()


def test_a_first_start_that_was_cut_off_before_the_database_was_made_goes_on(tmp_path):
    with start(tmp_path, fsync=False) as services:
        owner = Layout(tmp_path).load_passwords().owner
        where = urlsplit(services.database_url)
        with psycopg.connect(
            host="127.0.0.1",
            port=where.port,
            user="postgres",
            password=owner,
            dbname="postgres",
            autocommit=True,
        ) as db:
            db.execute("DROP DATABASE imager")
    with start(tmp_path, fsync=False) as services, psycopg.connect(services.database_url) as db:
        assert db.execute("SELECT current_database()").fetchone() == ("imager",)


def test_a_lost_password_file_is_named(tmp_path):
    start(tmp_path, fsync=False).stop()
    (tmp_path / "services.passwords.json").unlink()
    with pytest.raises(ServicesError, match=r"services\.passwords\.json is not that of the database"):
        start(tmp_path, fsync=False)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"owner": "x"}', '{"owner": 1, "database": "", "redis": "r"}']
)
def test_a_damaged_password_file_is_named(tmp_path, text):
    (tmp_path / "services.passwords.json").write_text(text)
    with pytest.raises(ServicesError, match=r"services\.passwords\.json cannot be understood"):
        start(tmp_path, fsync=False)


def test_a_server_that_cannot_start_shows_the_end_of_its_log_and_leaves_nothing(tmp_path):
    start(tmp_path, fsync=False).stop()
    configuration = tmp_path / "postgres/data/postgresql.conf"
    good = configuration.read_text()
    configuration.write_text(f"{good}\nno_such_setting = 1\n")
    with pytest.raises(ServerDied, match=r"(?s)PostgreSQL ended by itself with exit code 1.*no_such_setting"):
        start(tmp_path, fsync=False)
    configuration.write_text(good)
    start(tmp_path, fsync=False).stop()


def test_a_port_that_somebody_takes_meanwhile_is_given_up(tmp_path, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = [taken.getsockname()[1], process.free_port(), taken.getsockname()[1], process.free_port()]
        offered = iter(ports)
        monkeypatch.setattr(process, "free_port", lambda: next(offered))
        with start(tmp_path, fsync=False) as services:
            assert urlsplit(services.redis_url).port == ports[1]
            assert urlsplit(services.database_url).port == ports[3]


def test_a_log_that_grew_too_long_is_set_aside(tmp_path):
    log = tmp_path / "log/valkey.log"
    log.parent.mkdir()
    with log.open("wb") as old:
        old.truncate(process.MAX_LOG + 1)
    start(tmp_path, fsync=False).stop()
    assert log.stat().st_size < process.MAX_LOG
    assert (tmp_path / "log/valkey.log.1").stat().st_size > process.MAX_LOG
