"""Whoever is not the broker gets no password; the host goes on asking the server for work."""

from __future__ import annotations

import base64
import os
import secrets
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import redis
from celery import Celery
from kombu.exceptions import OperationalError

from tests.doubles.certificates import make_certificate
from tests.doubles.image import Image
from tests.doubles.server import Server
from tests.doubles.tls import Door
from tests.doubles.warehouse import Warehouse
from tests.integration.workers.test_worker_process import Start, end, said, start
from workers.celery import bell
from workers.config import Config
from workers.contract import PROTOCOL, Kind

__all__ = ["start"]

QUEUE = "downloader.writer-1"


@dataclass
class Broker:
    """Where the host is sent, and what it was told to expect there."""

    door: Door
    password: str
    ca: Path

    @property
    def env(self) -> dict[str, str]:
        line = base64.b64encode(self.ca.read_bytes()).decode()
        return {"IMAGER_BROKER_URL": self.door.url("bell-user", self.password), "IMAGER_BROKER_CA": line}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """`broker(chain)`: something that shows this certificate; the host expects that of `tmp_path/ca`."""
    ca, good = make_certificate(tmp_path / "ca", "localhost")
    password, doors = secrets.token_urlsafe(24), []
    url = os.environ["REDIS_URL"]
    with redis.Redis.from_url(url) as admin:
        admin.acl_setuser(
            "bell-user", enabled=True, passwords=[f"+{password}"], categories=["+@all"], keys="*"
        )

        def make(chain: Path | None = good, **fields: ssl.TLSVersion) -> Broker:
            doors.append(Door(url, chain, **fields))
            return Broker(doors[-1], password, ca)

        yield make
        for door in doors:
            door.close()
        admin.acl_deluser("bell-user")


def other_authority(folder: Path) -> Path:
    return make_certificate(folder / "other", "localhost")[1]


def test_the_right_broker_rings_over_tls(
    server: Server, warehouse: Warehouse, image: Image, start: Start, broker: Callable[..., Broker]
) -> None:
    task, right = server.add("download", image.spec), broker()
    worker = start("downloader", **right.env)
    ring = Celery("ring", broker=os.environ["REDIS_URL"], set_as_current=False)
    ring.conf.update(broker_transport_options={"ack_emulation": False, "priority_steps": [0]})
    message = {"task": task.id, "protocol": PROTOCOL}
    ring.send_task("workers.download", kwargs=message, queue=QUEUE, ignore_result=True)
    ring.close()
    server.wait_for(lambda: task.finals, within=60)
    assert end(worker) == 0
    assert right.password.encode() in right.door.heard  # the door hears what comes through


@pytest.mark.parametrize(
    ("impostor", "words"),
    [
        ("another authority", "CERTIFICATE_VERIFY_FAILED"),
        ("expired", "certificate has expired"),
        ("another name", "Hostname mismatch"),
        ("no TLS", "SSL|Timeout connecting"),
        ("TLS 1.1", "SSL"),
    ],
)
def test_an_impostor_gets_no_password(
    config: Config, broker: Callable[..., Broker], tmp_path: Path, impostor: str, words: str
) -> None:
    wrong = _impostor(broker, impostor, tmp_path)
    url = wrong.door.url("bell-user", wrong.password)
    app = bell(replace(config, broker_url=url, broker_ca=wrong.ca.read_text()), Kind.DOWNLOAD, print)
    options = {**app.conf.broker_transport_options, "socket_timeout": 2}  # who speaks no TLS waits, as we do
    with (
        app.connection(transport_options=options) as connection,
        pytest.raises(OperationalError, match=words) as refusal,
    ):
        connection.ensure_connection(max_retries=1)
    app.close()
    assert wrong.password not in str(refusal.value)
    assert wrong.password.encode() not in wrong.door.heard
    assert b"AUTH" not in wrong.door.heard.upper()


def test_with_an_impostor_in_its_place_the_work_goes_on(
    server: Server,
    warehouse: Warehouse,
    image: Image,
    start: Start,
    broker: Callable[..., Broker],
    tmp_path: Path,
) -> None:
    wrong = _impostor(broker, "another authority", tmp_path)
    worker = start("downloader", **wrong.env)
    wrong.door.await_knocks(2)  # it tries again
    task = server.add("download", image.spec)
    server.ring = [task.id]
    server.wait_for(lambda: task.finals, within=60)
    assert task.finals[0]["outcome"] == "done"
    server.wait_for(lambda: "Cannot connect to" in said(tmp_path))  # bells; nudges knock as well, and sooner
    assert end(worker) == 0
    assert "certificate verify failed" in said(tmp_path)
    assert wrong.password not in said(tmp_path)
    assert wrong.password.encode() not in wrong.door.heard


def _impostor(broker: Callable[..., Broker], impostor: str, folder: Path) -> Broker:
    if impostor == "another authority":
        return broker(make_certificate(folder / "other", "localhost")[1])
    wrong = broker(None) if impostor == "no TLS" else broker()
    if impostor in {"expired", "another name"}:
        name = "localhost" if impostor == "expired" else "other.example"
        ca, chain = make_certificate(folder / "own", name, expired=impostor == "expired")
        wrong = replace(broker(chain), ca=ca)
    if impostor == "TLS 1.1":
        wrong = broker(newest=ssl.TLSVersion.TLSv1_1)
    return wrong


def test_the_settings_themselves_ask_for_all_of_it(config: Config, broker: Callable[..., Broker]) -> None:
    right = broker()
    pem = right.ca.read_text()
    url = right.door.url("bell-user", right.password)
    app = bell(replace(config, broker_url=url, broker_ca=pem), Kind.DOWNLOAD, print)
    checks = app.conf.broker_use_ssl
    assert (checks["ssl_cert_reqs"], checks["ssl_check_hostname"]) == (ssl.CERT_REQUIRED, True)
    assert checks["ssl_min_version"] is ssl.TLSVersion.TLSv1_2
    assert checks["ssl_ca_data"] == pem
    with app.connection() as connection:
        connection.ensure_connection(max_retries=1)
    app.close()


def test_one_authority_for_server_and_broker_is_enough(config: Config, tmp_path: Path) -> None:
    ca, _ = make_certificate(tmp_path / "ca", "localhost")
    app = bell(replace(config, broker_url="rediss://a:b@localhost/0", ca_file=ca), Kind.DOWNLOAD, print)
    assert app.conf.broker_use_ssl["ssl_ca_certs"] == str(ca)
    app.close()
