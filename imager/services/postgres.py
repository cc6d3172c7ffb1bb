"""The embedded PostgreSQL: made once, started on a loopback port, with a database and an owner for it."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import psycopg
from psycopg import sql

from imager.services import packages, process
from imager.services.errors import ServicesError
from imager.services.layout import Layout, Passwords, account, write_private

NAME = "PostgreSQL"
SUPERUSER = "postgres"
DATABASE = "imager"  # and the role that owns it

# Not for data that anybody wants to keep.
CARELESS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def start(
    layout: Layout, passwords: Passwords, *, port: int, guard: int, fsync: bool, again: bool = False
) -> process.Server:
    """A PostgreSQL of this `var` that answers on `port` and has our database.

    `again`: after one that ended under this guard. Then its pid file stays, by which PostgreSQL itself sees
    whether a process of that one is left.
    """
    if not _data(layout).exists():
        _make(layout, passwords, guard=guard, fsync=fsync)
    if not again:
        # We hold the guard, so no server of this `var` is left: the file is stale, whoever has its number.
        (_data(layout) / "postmaster.pid").unlink(missing_ok=True)
    reads = _reads("postgres")
    server = process.start(
        NAME,
        [str(reads[0]), "-D", str(_data(layout)), "-p", str(port), *_settings(fsync=fsync)],
        reads=reads,
        folder=layout.postgres,
        log=layout.log("postgres"),
        guard=guard,
        death_signal=signal.SIGINT if fsync else signal.SIGQUIT,
        stop_signals=((signal.SIGINT, 30), (signal.SIGQUIT, 10)) if fsync else ((signal.SIGQUIT, 10),),
    )
    try:
        server.await_ready("database system is ready to accept connections")
        _ensure_database(layout, passwords, port)
    except BaseException:
        server.stop()
        raise
    return server


def url(passwords: Passwords, port: int) -> str:
    """The address of the product's database."""
    return f"postgres://{DATABASE}:{passwords.database}@127.0.0.1:{port}/{DATABASE}"


def _data(layout: Layout) -> Path:
    return layout.postgres / "data"


def _reads(program: str) -> list[Path]:
    installed, libraries = packages.postgres()
    return [installed / "bin" / program, installed / "share", installed / "lib", libraries]


def _settings(*, fsync: bool) -> list[str]:
    settings = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "timezone=UTC", "log_timezone=UTC")
    return [part for setting in (*settings, *(() if fsync else CARELESS)) for part in ("-c", setting)]


def _make(layout: Layout, passwords: Passwords, *, guard: int, fsync: bool) -> None:
    """`initdb` beside the final place, so that a half-made cluster is never mistaken for one."""
    new = layout.postgres / "data.new"
    shutil.rmtree(new, ignore_errors=True)
    password = layout.postgres / "superuser.password"
    write_private(password, passwords.owner)
    if as_whom := account():
        os.chown(password, as_whom.uid, as_whom.gid)
    reads = _reads("initdb")
    argv = [str(reads[0]), "-D", str(new), "-U", SUPERUSER, f"--pwfile={password}"]
    argv += ["--auth=scram-sha-256", "-E", "UTF8", "--no-instructions"]
    argv += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    argv += [] if fsync else ["--no-sync"]
    try:
        process.run(
            "initdb",
            argv,
            reads=reads,
            folder=layout.postgres,
            log=layout.log("postgres"),
            guard=guard,
        )
    finally:
        password.unlink()
    new.rename(_data(layout))


def _connect(layout: Layout, passwords: Passwords, port: int) -> psycopg.Connection:
    try:
        return psycopg.connect(
            host="127.0.0.1",
            port=port,
            user=SUPERUSER,
            password=passwords.owner,
            dbname="postgres",
            autocommit=True,
            connect_timeout=30,
        )
    except psycopg.OperationalError as error:
        if "password authentication failed" not in str(error):
            raise
        raise ServicesError(
            f"The password in {layout.passwords} is not that of the database in {layout.postgres}: put back "
            "the file that was made with it, or remove both to begin anew."
        ) from error


def _ensure_database(layout: Layout, passwords: Passwords, port: int) -> None:
    """Role and database, whatever an interrupted first start has left. Sends the password's verifier only."""
    role = sql.Identifier(DATABASE)
    with _connect(layout, passwords, port) as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [DATABASE]).fetchone():
            connection.execute(sql.SQL("CREATE ROLE {}").format(role))
        verifier = connection.pgconn.encrypt_password(
            passwords.database.encode(), DATABASE.encode(), b"scram-sha-256"
        )
        alter = sql.SQL("ALTER ROLE {} LOGIN CREATEDB NOSUPERUSER NOCREATEROLE PASSWORD {}")
        connection.execute(alter.format(role, sql.Literal(verifier.decode())))
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))
