"""The web's half of the warehouse against the real FTP server process: tickets, publishing, reading back."""

from __future__ import annotations

import datetime as dt
import ftplib
import hashlib
import io
import ipaddress
import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import call_command
from django.test import RequestFactory

from tests import factories
from tests.integration.accounts.doors import bearer, log_in
from warehouse import services
from warehouse.models import Warehouse
from warehouse.responses import ranged
from workers.contract import ARTIFACT_SUFFIXES, TORRENT_SUFFIX

ROOT = Path(__file__).resolve().parents[3]
CONTENT = random.Random(3).randbytes(2_500_000)

pytestmark = pytest.mark.django_db(transaction=True)


def certificate(folder: Path) -> dict[str, str]:
    """A certificate for 127.0.0.1 that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - day).not_valid_after(now + day)
    address = x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))
    builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    signed = builder.sign(key, hashes.SHA256())
    (folder / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(*form))
    return {"WAREHOUSE_CERT": str(folder / "cert.pem"), "WAREHOUSE_KEY": str(folder / "key.pem")}


def start(tmp_path: Path, server_url: str, *, tls: bool) -> subprocess.Popen[bytes]:
    """`create_warehouse`, then the server with exactly the environment that it wrote."""
    root, env_file = tmp_path / "root", tmp_path / "warehouse.env"
    root.mkdir()
    command = [
        "main",
        "--host",
        "127.0.0.1",
        "--port",
        "1",
        "--listen",
        "127.0.0.1:0",
        "--server-url",
        server_url,
    ]
    call_command(
        "create_warehouse",
        *command,
        "--env-file",
        str(env_file),
        *(["--tls"] if tls else []),
        stdout=io.StringIO(),
    )
    lines = [line for line in env_file.read_text().splitlines() if not line.startswith("#")]
    environment = {
        **dict(line.split("=", 1) for line in lines),
        **(certificate(tmp_path) if tls else {}),
        "WAREHOUSE_ROOT": str(root),
        "WAREHOUSE_PORT_FILE": str(tmp_path / "port"),
        "WAREHOUSE_POLL_SECONDS": "0.1",
        "PATH": os.environ["PATH"],
    }
    with (tmp_path / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "warehouse.ftp"], cwd=ROOT, env=environment, stderr=log, stdout=log
        )


def listening(process: subprocess.Popen[bytes], tmp_path: Path) -> int:
    deadline = time.monotonic() + 60
    while not (tmp_path / "port").exists():
        assert process.poll() is None, (tmp_path / "log").read_text()
        assert time.monotonic() < deadline, (tmp_path / "log").read_text()
        time.sleep(0.05)
    return int((tmp_path / "port").read_text())


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def house(request, live_server, tmp_path: Path, monkeypatch) -> Iterator[Path]:
    process = start(tmp_path, live_server.url, tls=request.param)
    try:
        Warehouse.objects.update(port=listening(process, tmp_path))
        if request.param:
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        yield tmp_path
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


class Creator:
    """A creator host at work on one order."""

    def __init__(self) -> None:
        self.host = factories.host()
        self.order = factories.order()
        self.task = factories.task(self.order)
        self.api = bearer(log_in(self.host.account)["access"])
        self.claim()
        stem = self.order.image_name
        suffixes = (*ARTIFACT_SUFFIXES, TORRENT_SUFFIX)
        self.contents = {stem + suffix: CONTENT[n:] for n, suffix in enumerate(suffixes)}

    def claim(self) -> None:
        answer = self.api.post(f"/api/v1/tasks/{self.task.pk}/claim", factories.claim_body())
        assert answer.status_code == 200, answer.content
        self.attempt = answer.json()["attempt"]

    def log_in(self) -> ftplib.FTP:
        answer = self.api.post(f"/api/v1/tasks/{self.task.pk}/ticket", {"attempt": self.attempt})
        assert answer.status_code == 200, answer.content
        return enter(answer.json())

    def store(self, ftp: ftplib.FTP) -> None:
        for name, content in self.contents.items():
            ftp.storbinary(f"STOR {name}", io.BytesIO(content))

    def publish(self, ftp: ftplib.FTP) -> str:
        files = [
            {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in self.contents.items()
        ]
        return ftp.sendcmd("SITE PUBLISH " + json.dumps(files).encode().hex())


def enter(ticket: Any) -> ftplib.FTP:
    ftp: ftplib.FTP = ftplib.FTP_TLS() if ticket["tls"] else ftplib.FTP()  # noqa: S321
    ftp.connect(ticket["host"], ticket["port"], timeout=30)
    try:
        ftp.login(ticket["user"], ticket["password"])
        if isinstance(ftp, ftplib.FTP_TLS):
            ftp.prot_p()
    except ftplib.all_errors:
        ftp.close()
        raise
    return ftp


def log_of(house: Path) -> str:
    return (house / "log").read_text()


def test_stored_published_and_read_back(house: Path) -> None:
    creator = Creator()
    with creator.log_in() as ftp:
        creator.store(ftp)
        assert services.published_files(owner=creator.order.pk) == []
        for _ in range(2):
            assert creator.publish(ftp).startswith("250"), log_of(house)
    published = services.published_files(owner=creator.order.pk)
    assert {file.name for file in published} == set(creator.contents)
    for file in published:
        with services.open_file(file) as opened:
            assert hashlib.sha256(opened.read()).hexdigest() == file.sha256
            opened.seek(-10, io.SEEK_END)
            assert opened.read() == CONTENT[-10:]
        assert (house / "root" / file.path).stat().st_size == file.size


def test_a_download_in_parts_through_the_ftp_server(house: Path) -> None:
    creator = Creator()
    with creator.log_in() as ftp:
        creator.store(ftp)
        creator.publish(ftp)
    stored = next(f for f in services.published_files(owner=creator.order.pk) if f.name.endswith(".img.zst"))
    request = RequestFactory().get("/", headers={"range": "bytes=1000000-2000000"})
    file = services.open_file(stored)
    response: Any = ranged(request, file, name=stored.name, size=stored.size, etag=stored.sha256)
    assert response.status_code == 206
    assert b"".join(response.streaming_content) == CONTENT[1_000_000:2_000_001]
    response.close()
    assert file.closed


def test_a_removed_image_goes_and_nobody_reads_it(house: Path) -> None:
    creator = Creator()
    with creator.log_in() as ftp:
        creator.store(ftp)
        creator.publish(ftp)
    stored = services.published_files(owner=creator.order.pk)[0]
    assert (house / "root" / stored.path).exists()
    services.remove(owner=creator.order.pk)
    deadline = time.monotonic() + 60
    while (house / "root" / stored.path).exists():
        assert time.monotonic() < deadline, log_of(house)
        time.sleep(0.05)
    with pytest.raises(services.Unavailable):
        services.open_file(stored)


def test_a_ticket_of_another_key_or_for_others_opens_nothing(house: Path) -> None:
    creator = Creator()
    ticket = creator.api.post(f"/api/v1/tasks/{creator.task.pk}/ticket", {"attempt": creator.attempt}).json()
    claims = jwt.decode(ticket["password"], options={"verify_signature": False})
    kid = jwt.get_unverified_header(ticket["password"])["kid"]
    forged = jwt.encode(claims, Ed25519PrivateKey.generate(), "EdDSA", headers={"kid": kid})
    wrongs = [
        {**ticket, "user": f"{uuid.uuid4()}.1"},
        {**ticket, "password": log_in(creator.host.account)["access"]},
        {**ticket, "password": forged},
    ]
    for wrong in wrongs:
        with pytest.raises(ftplib.error_perm, match="530"):
            enter(wrong)
    enter(ticket).close()
    assert "Traceback" not in log_of(house)
    assert ticket["password"] not in log_of(house)
