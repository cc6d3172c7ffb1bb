"""Start the line: embedded services, web, scheduler, server worker, warehouse, creator host, writer host."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import requests

from imager import services
from imager.stack.content import ContentServer
from imager.stack.processes import Extra, Process, Processes, python

CARD_BYTES = 8_000_000_000  # an “8 GB” card; the file that stands for it is sparse
SLOTS = ("A", "B")
CREATOR, WRITER = "creator-1", "writer-1"


@dataclass
class Line:
    """The running line."""

    var: Path
    url: str
    servers: services.Services
    processes: Processes
    content: ContentServer

    @property
    def cards(self) -> dict[str, Path]:
        """The files that stand for cards, by slot."""
        return {slot: self.var / "cards" / f"{slot}.img" for slot in SLOTS}

    @property
    def warehouse(self) -> Path:
        """Where the warehouse keeps its files."""
        return self.var / "warehouse"

    @property
    def logs(self) -> Path:
        """Where every part writes its log."""
        return self.processes.logs

    def part(self, name: str) -> Process:
        """The running part of that name."""
        return next(process for process in self.processes.running if process.name == name)

    def manage(self, *arguments: str, stdin: str = "") -> str:
        """Run a management command."""
        return self.processes.run(*python("manage.py", *arguments), stdin=stdin)

    def stop(self) -> None:
        """End everything, services last."""
        self.processes.stop()
        self.content.stop()
        self.servers.stop()


def start(
    var: Path,
    *,
    port: int = 0,
    bells: bool = True,
    creators: Sequence[str] = (CREATOR,),
    writer: bool = True,
    schedulers: int = 1,
    environment: Mapping[str, str] = MappingProxyType({}),
    extras: Mapping[str, Extra] = MappingProxyType({}),
    tell: Callable[[str], None] = lambda _part: None,
) -> Line:
    """Start the line below `var`; without `bells`, hosts get no broker and ask the web for work.

    Without `creators` and `writer` there are the servers alone. `environment` is for all parts, `extras` for
    single ones, by name. `tell` hears which part begins. Raises
    StackError or ServicesError; then nothing is left running.
    """
    var.mkdir(parents=True, exist_ok=True)
    tell("PostgreSQL and Valkey")
    with ExitStack() as begun:
        servers = services.start(var)
        begun.callback(servers.stop)
        content = ContentServer(var / "content")
        begun.callback(content.stop)
        url = f"http://127.0.0.1:{port or free_port()}"
        tell("a small base image")
        common = _environment(var, url, servers, content) | ({} if bells else {"HOST_BROKER_URL": ""})
        processes = Processes(logs=var / "logs", environment={**common, **environment}, extras=extras)
        begun.callback(processes.stop)
        line = Line(var, url, servers, processes, content)
        _start_all(line, creators, writer, schedulers, tell)
        begun.pop_all()  # it stands: nothing is stopped but by the line's own `stop()`
    return line


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment(var: Path, url: str, servers: services.Services, content: ContentServer) -> dict[str, str]:
    base = content.add_base_image()
    return {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "imager.settings.dev",
        "IMAGER_VAR": str(var),
        "DATABASE_URL": servers.database_url,
        "REDIS_URL": servers.redis_url,
        "PUBLIC_URL": url,
        "BASE_IMAGE_URL": base.url,
        "BASE_IMAGE_BYTES": str(base.size),
        "BASE_IMAGE_SHA256": base.sha256,
        "DEBUG": "0",
        "IMAGER_ALLOW_NETWORKS": "127.0.0.0/8",  # content comes from this machine
    }


def _start_all(
    line: Line, creators: Sequence[str], writer: bool, schedulers: int, tell: Callable[[str], None]
) -> None:
    tell("the database's tables")
    line.manage("migrate", "--verbosity", "0")
    tell("web, scheduler and server worker")
    _start_web(line, schedulers)
    tell("warehouse (FTP)")
    _start_warehouse(line)
    for name in creators:
        tell(f"creator host {name}")
        _start_creator(line, name)
    if writer:
        tell(f"writer host {WRITER}, slots {' and '.join(SLOTS)}")
        _start_writer(line)


def _start_web(line: Line, schedulers: int) -> None:
    start = line.processes.start
    address = line.url.removeprefix("http://")
    start(
        "web",
        *python("-m", "gunicorn", "-c", "python:imager.serving", "imager.wsgi", "--bind", address),
    )
    for number in range(1, schedulers + 1):
        start("scheduler" if number == 1 else f"scheduler-{number}", *python("manage.py", "scheduler"))
    start(
        "server-worker",
        *python(
            "-m",
            "celery",
            "-A",
            "imager.celery",
            "worker",
            "-Q",
            "server",
            "-P",
            "solo",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
            "-l",
            "INFO",
        ),
    )
    line.processes.wait_for("The web server", lambda: _answers(line.url + "/accounts/login/"))


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def _start_warehouse(line: Line) -> None:
    port, root, env_file = free_port(), line.warehouse, line.var / "hosts" / "warehouse.env"
    env_file.parent.mkdir(exist_ok=True, mode=0o700)
    line.manage(
        "create_warehouse", "main", "--host", "127.0.0.1", "--port", str(port), "--env-file", str(env_file)
    )
    environment = {
        **read_environment(env_file),
        "WAREHOUSE_ROOT": str(root),
        "WAREHOUSE_LISTEN": f"127.0.0.1:{port}",
        "WAREHOUSE_SERVER_URL": line.url,
    }
    root.mkdir(exist_ok=True)
    line.processes.start("warehouse", *python("-m", "warehouse.ftp"), environment=environment)
    line.processes.wait_for("The warehouse", lambda: _listens(port))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _start_creator(line: Line, name: str) -> None:
    env_file = line.var / "hosts" / f"{name}.env"
    line.manage("create_host", name, "--kind", "creator", "--env-file", str(env_file))
    environment = {
        **read_environment(env_file),
        "IMAGER_DATA": str(line.var / "hosts" / name),
        "IMAGER_CONFIG": str(line.var / "hosts" / f"{name}.toml"),
    }
    line.processes.start(name, *python("-m", "workers", "creator"), environment=environment)


def _start_writer(line: Line) -> None:
    env_file = line.var / "hosts" / f"{WRITER}.env"
    line.manage(
        "create_host",
        WRITER,
        "--kind",
        "writer",
        "--operator-email",
        "operator@example.org",
        "--env-file",
        str(env_file),
    )
    config = line.var / "hosts" / f"{WRITER}.toml"
    config.unlink(missing_ok=True)
    environment = {"IMAGER_CONFIG": str(config), "IMAGER_DATA": str(line.var / "hosts" / WRITER)}
    whost = python("-m", "workers.whost")
    line.processes.run(*whost, "credentials", "--from-env-file", str(env_file), environment=environment)
    for slot, card in line.cards.items():
        insert_card(card)
        line.processes.run(*whost, "slots", "add", slot, "--device", str(card), environment=environment)
    line.processes.run(*whost, "enable", environment=environment)
    line.processes.start("writer-host", *python("-m", "workers.whost", "run"), environment=environment)


def insert_card(path: Path) -> None:
    """A fresh card: a sparse file of its own inode, so that the host sees a new insertion."""
    path.parent.mkdir(exist_ok=True)
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.truncate(CARD_BYTES)
    fresh.replace(path)


def read_environment(path: Path) -> dict[str, str]:
    """The NAME=value lines of an environment file."""
    lines = (line for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)
