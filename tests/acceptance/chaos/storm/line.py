"""The line of the storm: embedded servers, two zygotes, and the parts that they fork."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from imager import services
from imager.stack.line import free_port, read_environment

from . import labour, lossy
from .sowing import CREATORS, SOWN, WRITERS
from .zygote import Zygote

SLOTS = ("A", "B", "C")
TIMES = {  # seconds on a calm machine; what hours and minutes are in earnest
    "TASK_LEASE": 1.5,
    "TASK_RECLAIM": 2.0,
    "TASK_REPORT_EVERY": 0.6,
    "TASK_PAUSE": 0.1,
    "SWEEP_EVERY": 0.5,
}


@dataclass
class Part:
    """A process that is kept running. `wanted` False: it may end and stays away."""

    name: str
    zygote: Zygote
    role: str
    arguments: list[str]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    wanted: bool = True
    pid: int = 0
    codes: list[int] = field(default_factory=list)


class StormLine:
    """Everything that runs, below the folder `var`."""

    def __init__(self, var: Path, *, seed: int, mail_port: int, control: str = "", slow: float = 1.0) -> None:
        self.var, self.seed = var, seed
        self.times = {**TIMES, **{name: TIMES[name] * slow for name in ("TASK_LEASE", "TASK_RECLAIM")}}
        self.parts: dict[str, Part] = {}
        self.restarts: Counter[str] = Counter()
        self.control = {"STORM_CONTROL": control}
        self.url = f"http://127.0.0.1:{free_port()}"
        self._starts = 0
        (var / "hosts").mkdir(parents=True, mode=0o700)
        self.logs = var / "logs"
        self.logs.mkdir()
        self.servers = services.start(var)
        self._zygotes: list[Zygote] = []
        try:
            self._begin(mail_port)
        except BaseException:
            self.stop()
            raise

    def _begin(self, mail_port: int) -> None:
        common = {**os.environ, "PYTHONUNBUFFERED": "1"}
        hosts = self._zygote("hosts", {**common, **self._ledgers()})
        server = self._zygote("server", {**common, **self._server_environment(mail_port)})
        self._sow(server)
        for name in ("scheduler-1", "scheduler-2"):
            self.start(Part(name, server, "scheduler", [], self.control))
        self.start(Part("web", server, "web", [self.url.removeprefix("http://")], self.control))
        self.start(Part("server-worker", server, "server-worker", [], self.control))
        self._start_warehouse(hosts)
        for number, name in enumerate(CREATORS):
            for twin in ("", "-twin"):
                part = self._worker(hosts, name, "creator", twin, bells=number != 0)
                self.parts[part.name] = part
                if not twin:
                    self.start(part)
        for number, name in enumerate(WRITERS):
            for kind in ("downloader", "writer"):
                self.start(self._worker(hosts, name, kind, "", bells=number != 0))

    def _zygote(self, kind: str, environment: dict[str, str]) -> Zygote:
        made = Zygote(kind, environment, self.logs / f"zygote-{kind}.log")
        self._zygotes.append(made)
        return made

    def _ledgers(self) -> dict[str, str]:
        return {labour.WITNESS: str(self.var / "witness.log"), lossy.LEDGER: str(self.var / "losses")}

    def _server_environment(self, mail_port: int) -> dict[str, str]:
        return {
            "DJANGO_SETTINGS_MODULE": "imager.settings.dev",
            "IMAGER_VAR": str(self.var),
            "DATABASE_URL": self.servers.database_url,
            "REDIS_URL": self.servers.redis_url,
            "PUBLIC_URL": self.url,
            "BASE_IMAGE_URL": "https://base.example/base.img",
            "BASE_IMAGE_BYTES": "1048576",
            "BASE_IMAGE_SHA256": "ab" * 32,
            "DEBUG": "0",
            "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": str(mail_port),
            "SUPPORT_EMAIL": "support@example.org",
            # all hosts have one address, and log in after each kill; a login that is killed stays counted
            "API_RATE_LOGIN": "",
            "LOGIN_FAILED_RATE": "10000/m/ip,10000/300s/key",
            **{name: str(seconds) for name, seconds in self.times.items()},
        }

    def _sow(self, server: Zygote) -> None:
        pid = server.start("sow", [str(self.var)], {}, self.logs / "sow.log")
        while pid not in (ended := server.ended()):
            time.sleep(0.02)
        if ended[pid] != 0:
            raise RuntimeError((self.logs / "sow.log").read_text()[-3000:])

    def _start_warehouse(self, hosts: Zygote) -> None:
        environment = read_environment(self.var / "hosts" / "warehouse.env")
        root = self.var / "warehouse"
        root.mkdir()
        port = free_port()
        with self.database() as database:
            database.execute("UPDATE warehouse_warehouse SET port = %s", [port])
        environment |= {
            "WAREHOUSE_ROOT": str(root),
            "WAREHOUSE_LISTEN": f"127.0.0.1:{port}",
            "WAREHOUSE_SERVER_URL": self.url,
            "WAREHOUSE_POLL_SECONDS": "0.5",
            "WAREHOUSE_KEEP_FREE_PERCENT": "0",
            "WAREHOUSE_CONNECTIONS_PER_ADDRESS": "200",
        }
        self.start(Part("warehouse", hosts, "warehouse", [], environment))

    def _worker(self, hosts: Zygote, host: str, kind: str, twin: str, *, bells: bool) -> Part:
        config = self.var / "hosts" / f"{host}.toml"
        config.touch(mode=0o600)
        if kind == "writer" and not config.stat().st_size:
            rows = [f'[[slots]]\nname = "{slot}"\ndevice = "{self.card(host, slot)}"' for slot in SLOTS]
            config.write_text("\n".join(rows) + "\n")
            for slot in SLOTS:
                self.insert_card(host, slot)
        environment = {
            **read_environment(self.var / "hosts" / f"{host}.env"),
            **self.control,
            "IMAGER_CONFIG": str(config),
            "IMAGER_DATA": str(self.var / "hosts" / f"{host}{twin}"),
        }
        if not bells:
            environment.pop("IMAGER_BROKER_URL")
        name = f"{host}{twin}" if kind == "creator" else f"{host} {kind}"
        return Part(name, hosts, "worker", [kind], environment, wanted=not twin)

    def card(self, host: str, slot: str) -> Path:
        """The file that stands for the card in a slot."""
        return self.var / "cards" / f"{host}-{slot}.img"

    def insert_card(self, host: str, slot: str) -> None:
        """A fresh card, of an inode of its own."""
        path = self.card(host, slot)
        path.parent.mkdir(exist_ok=True)
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.truncate(labour.CARD_BYTES)
        fresh.replace(path)

    def sown(self) -> Path:
        """What the people need to know."""
        return self.var / SOWN

    @contextlib.contextmanager
    def database(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """A connection of our own, for looking."""
        with psycopg.connect(self.servers.database_url, row_factory=dict_row, autocommit=True) as connection:
            connection.execute("SET statement_timeout = '120s'")
            yield connection

    def start(self, part: Part) -> None:
        """Fork it, whether it ran before or not."""
        self.parts[part.name] = part
        self._starts += 1
        arguments = (
            [*part.arguments, f"{self.seed}.{self._starts}"] if part.role == "worker" else part.arguments
        )
        log = self.logs / f"{part.name.replace(' ', '-')}.log"
        part.pid = part.zygote.start(part.role, arguments, dict(part.environment), log)

    def signal(self, part: Part, number: signal.Signals) -> None:
        """To the process of a part."""
        if part.pid:
            part.zygote.signal(part.pid, number)

    def tend(self) -> None:
        """Notice what has ended, and start again what is wanted."""
        for zygote in self._zygotes:
            ended = zygote.ended()
            for part in self.parts.values():
                if part.zygote is zygote and part.pid in ended:
                    part.codes.append(ended[part.pid])
                    part.pid = 0
        for part in self.parts.values():
            if part.wanted and not part.pid:
                self.start(part)
                self.restarts[part.name] += 1
        self.restarts.update(self.servers.revive())

    def stop(self) -> None:
        """End everything."""
        for part in self.parts.values():
            part.wanted = False
            for number in (signal.SIGCONT, signal.SIGTERM):
                with contextlib.suppress(OSError):
                    self.signal(part, number)
        for zygote in self._zygotes:
            zygote.stop()
        self.servers.stop()
