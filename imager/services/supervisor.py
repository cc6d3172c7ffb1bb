"""Both servers together: started, known to others by a file, watched, stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from imager.services import lock, postgres, process, valkey
from imager.services.errors import AlreadyRunning, ServerDied, ServicesError
from imager.services.layout import Layout, write_private

ANOTHER_ONE = 1.0  # seconds that another supervisor gets, who may be just ending
LEFT_OVER = 30.0  # seconds that servers of a killed supervisor get to end
PORT_TRIES = 5


@dataclass
class Services:
    """The running services. They end with `stop()`, the context, or the thread that started them."""

    var: Path
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    servers: tuple[process.Server, ...]
    _undo: ExitStack = field(repr=False)
    _again: tuple[Callable[[], process.Server], ...] = field(repr=False)

    def check(self) -> None:
        """Raise `ServicesError` with the end of the log if a server has ended by itself."""
        for server in self.servers:
            if not server.is_alive():
                raise server.death()

    def revive(self) -> list[str]:
        """Start what has ended once more, on its old port; the names. Raises `ServicesError`."""
        revived = []
        for place, server in enumerate(self.servers):
            if not server.is_alive():
                fresh = self._again[place]()
                self._undo.callback(fresh.stop)
                self.servers = (*self.servers[:place], fresh, *self.servers[place + 1 :])
                revived.append(fresh.name)
        if revived:
            _tell(Layout(self.var), self)
        return revived

    def stop(self) -> None:
        """End both cleanly. Harmless when repeated."""
        self._undo.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(var: Path, *, fsync: bool = True) -> Services:
    """Start the services of `var`: fresh, or with the data and passwords of earlier runs.

    Call it from a thread that lives as long as they shall. `fsync=False` is for tests: quick, and nothing
    is kept safe. Raises `AlreadyRunning`, or `ServicesError` that says what is in the way.
    """
    layout = Layout(var.resolve())
    layout.var.mkdir(parents=True, exist_ok=True)
    held = lock.acquire(layout.lock, patience=ANOTHER_ONE)
    if held is None:
        raise AlreadyRunning(layout.var)
    undo = ExitStack()
    undo.callback(os.close, held)
    try:
        return _start_servers(layout, undo, fsync=fsync)
    except BaseException:
        undo.close()
        raise


def _start_servers(layout: Layout, undo: ExitStack, *, fsync: bool) -> Services:
    layout.state.unlink(missing_ok=True)
    layout.prepare()
    passwords = layout.load_passwords()
    guard = lock.acquire(layout.guard, patience=LEFT_OVER)
    if guard is None:
        raise ServicesError(
            f"Servers of an earlier run have not ended within {LEFT_OVER:.0f} s and still use {layout.var}: "
            f"`lsof {layout.guard}` names them; end them and start again."
        )
    undo.callback(os.close, guard)

    def start_valkey(port: int) -> process.Server:
        return valkey.start(layout, passwords, port=port, guard=guard, fsync=fsync)

    def start_postgres(port: int, *, again: bool = False) -> process.Server:
        return postgres.start(layout, passwords, port=port, guard=guard, fsync=fsync, again=again)

    redis_port, redis_server = _on_a_free_port(start_valkey)
    undo.callback(redis_server.stop)
    database_port, database_server = _on_a_free_port(start_postgres)
    undo.callback(database_server.stop)
    services = Services(
        var=layout.var,
        database_url=postgres.url(passwords, database_port),
        redis_url=valkey.url(passwords, redis_port),
        servers=(database_server, redis_server),
        _undo=undo,
        _again=(lambda: start_postgres(database_port, again=True), lambda: start_valkey(redis_port)),
    )
    _tell(layout, services)
    undo.callback(layout.state.unlink, missing_ok=True)
    return services


def _on_a_free_port(start_one: Callable[[int], process.Server]) -> tuple[int, process.Server]:
    """A port is free when we look and may be taken when the server binds it: then look again."""
    for _ in range(PORT_TRIES - 1):
        port = process.free_port()
        try:
            return port, start_one(port)
        except ServerDied as death:
            if "Address already in use" not in death.tail:
                raise
    port = process.free_port()
    return port, start_one(port)


def _tell(layout: Layout, services: Services) -> None:
    database, broker = services.servers
    state = {
        "pid": os.getpid(),
        "database_url": services.database_url,
        "redis_url": services.redis_url,
        "postgres": {"pid": database.popen.pid, "port": urlsplit(services.database_url).port},
        "valkey": {"pid": broker.popen.pid, "port": urlsplit(services.redis_url).port},
    }
    write_private(layout.state, json.dumps(state, indent=2))
