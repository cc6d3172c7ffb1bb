"""With a certificate, nothing goes unencrypted - neither the login nor a byte of a file."""

from __future__ import annotations

import datetime as dt
import ftplib
import io
import os
import socket
import ssl
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.integration.warehouse_ftp.doubles import Attempt, Warehouse, Web, wait_for


def make_certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "warehouse")])
    now = dt.datetime.now(dt.UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(cert.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return cert_file, key_file


@pytest.fixture
def house(tmp_path: Path, web: Web) -> Iterator[Warehouse]:
    cert, key = make_certificate(tmp_path)
    house = Warehouse(tmp_path, web, WAREHOUSE_CERT=str(cert), WAREHOUSE_KEY=str(key)).start_and_hear()
    yield house
    assert house.stop() == 0
    assert "Traceback" not in house.log.read_text(), house.log.read_text()


def _login(house: Warehouse, attempt: Attempt, right: str = "store", **changes: object) -> ftplib.FTP_TLS:
    trusted = ssl.create_default_context(cafile=house.settings["WAREHOUSE_CERT"])
    ftp = ftplib.FTP_TLS(timeout=30, context=trusted)  # noqa: S321 - the protocol under test
    house.connect(ftp)
    ftp.login(attempt.user, attempt.ticket(right, **changes))
    ftp.prot_p()
    ftp.voidcmd("TYPE I")
    return ftp


def test_the_whole_way_over_tls(house: Warehouse, web: Web, attempt: Attempt) -> None:
    attempt.files["demo.img.zst"] = os.urandom(5 << 20)
    with _login(house, attempt) as ftp:
        assert ftp.sock.version() in {"TLSv1.2", "TLSv1.3"}
        attempt.upload(ftp)
        assert ftp.sendcmd(attempt.publish_command()) == "250 Published."
    reader = Attempt(web, order=attempt.order)
    with _login(house, reader, "read") as ftp:
        got = io.BytesIO()
        ftp.retrbinary("RETR demo.img.zst", got.write, rest=12345)
        assert got.getvalue() == attempt.files["demo.img.zst"][12345:]
        assert sorted(ftp.nlst()) == sorted(attempt.files)


def test_no_login_in_clear(house: Warehouse, attempt: Attempt) -> None:
    with house.connect() as ftp:
        with pytest.raises(ftplib.error_perm, match=r"550 SSL/TLS required"):
            ftp.sendcmd(f"USER {attempt.user}")
        with pytest.raises(ftplib.error_perm, match=r"5.."):
            ftp.sendcmd(f"PASS {attempt.ticket()}")
        assert "AUTH TLS" in ftp.sendcmd("FEAT")


def test_no_data_in_clear(house: Warehouse, attempt: Attempt) -> None:
    with _login(house, attempt) as ftp:
        ftp.prot_c()
        with pytest.raises(ftplib.error_perm, match=r"550 SSL/TLS required on the data channel"):
            ftp.nlst()


def test_commands_slipped_in_before_the_handshake_are_not_read(house: Warehouse, attempt: Attempt) -> None:
    trusted = ssl.create_default_context(cafile=house.settings["WAREHOUSE_CERT"])
    with house.connect() as ftp:
        ftp.sock.sendall(f"AUTH TLS\r\nUSER {attempt.user}\r\nNOOP\r\n".encode())
        assert ftp.getresp().startswith("234")
        with trusted.wrap_socket(ftp.sock, server_hostname="127.0.0.1") as sock:
            sock.sendall(f"PASS {attempt.ticket()}\r\n".encode())
            assert sock.recv(100).startswith(b"503 Send USER first")


def test_a_peer_that_speaks_no_tls_is_dropped(house: Warehouse) -> None:
    with house.connect() as ftp:
        assert ftp.sendcmd("AUTH TLS").startswith("234")
        ftp.sock.sendall(b"this is no handshake\r\n" * 10)
        wait_for(lambda: _hung_up(ftp.sock), "end of the connection")


def _hung_up(sock: socket.socket) -> bool:
    try:
        return sock.recv(1000) == b""
    except ConnectionResetError:
        return True


def test_a_cut_upload_over_tls_goes_on(house: Warehouse, attempt: Attempt) -> None:
    attempt.files["demo.img.zst"] = whole = os.urandom(4 << 20)
    ftp = _login(house, attempt)
    data = ftp.transfercmd("STOR demo.img.zst")
    data.sendall(whole[: 2 << 20])
    part = attempt.incoming(house) / "demo.img.zst.part"
    wait_for(lambda: part.exists() and part.stat().st_size > 0, "first bytes")
    for sock in (data, ftp.sock):
        sock.close()  # the TCP connections end without a TLS farewell
    ftp.close()
    wait_for(lambda: house.events("transfer over"), "end of the cut upload")
    arrived = part.stat().st_size
    assert arrived <= 2 << 20
    with _login(house, attempt) as ftp:
        assert ftp.size("demo.img.zst") == arrived
        ftp.storbinary("STOR demo.img.zst", io.BytesIO(whole[arrived:]), rest=arrived)
        for name in list(attempt.files)[1:]:
            ftp.storbinary(f"STOR {name}", io.BytesIO(attempt.files[name]))
        assert ftp.sendcmd(attempt.publish_command()) == "250 Published."
    assert attempt.is_published(house)


def test_a_refusal_in_the_middle_reaches_the_client(house: Warehouse, attempt: Attempt) -> None:
    with _login(house, attempt, max_bytes=1000) as ftp:
        with pytest.raises(ftplib.error_perm, match=r"552 demo.img.zst exceeds the 1000 bytes"):
            ftp.storbinary("STOR demo.img.zst", io.BytesIO(b"x" * (4 << 20)))
        assert ftp.voidcmd("NOOP").startswith("200")


def test_an_ended_attempt_is_kicked_over_tls(house: Warehouse, web: Web, attempt: Attempt) -> None:
    ftp = _login(house, attempt)
    data = ftp.transfercmd("STOR demo.img.zst")
    data.sendall(b"x" * 100_000)
    web.end(ended=[{"task": attempt.task, "attempt": 1}])
    with pytest.raises(ftplib.error_temp, match=r"421 This attempt has ended"):
        ftp.voidresp()
    wait_for(lambda: not attempt.incoming(house).exists(), "removal of the leftovers")
    data.close()
    ftp.close()
