"""Who comes in, which commands exist, which names are understood."""

from __future__ import annotations

import ftplib
import io
import json
import os
import socket
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.integration.warehouse_ftp.doubles import SECRET, Attempt, Signer, Warehouse, Web

NAMES = [
    "/etc/passwd.img.zst",
    "../demo.img.zst",
    "..",
    "a/demo.img.zst",
    "demo.txt",
    "demo.img.zst.part",
    ".demo.img.zst",
    ".img.zst",
    "dem\u00f6.img.zst",
    "demo\u2215x.img.zst",
    "demo.img.zst ",
    "de mo.img.zst",
    "demo*.img.zst",
    "demo.img.zst\x00",
    "x" * 122 + ".img.zst",
    ".publication.json",
]

FORBIDDEN = [
    "DELE demo.img.zst",
    "RNFR demo.img.zst",
    "RNTO demo.img.zst",
    "MKD folder",
    "RMD folder",
    "CWD ..",
    "CWD /",
    "CDUP",
    "XMKD folder",
    "APPE demo.img.zst",
    "STOU",
    "MFMT 20200101000000 demo.img.zst",
    "MDTM demo.img.zst",
    "MLST demo.img.zst",
    "STAT",
    "STAT demo.img.zst",
    "HELP",
    "REIN",
    "ALLO 5",
    "MODE B",
    "STRU R",
    "PORT 127,0,0,1,4,1",
    "EPRT |1|127.0.0.1|1025|",
    "SITE CHMOD 777 demo.img.zst",
    "SITE HELP",
    "SITE EXEC ls",
    "AUTH TLS",
    "NONSENSE",
]


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    web = Web()
    web.start()
    yield web
    web.stop()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, web: Web) -> Iterator[Warehouse]:
    """One for all: these tests change nothing that another one sees."""
    house = Warehouse(tmp_path_factory.mktemp("house"), web).start_and_hear()
    yield house
    assert house.stop() == 0
    assert "Traceback" not in house.log.read_text()


@pytest.mark.parametrize("command", FORBIDDEN)
def test_commands_outside_the_table_do_not_exist(house: Warehouse, attempt: Attempt, command: str) -> None:
    with attempt.login(house) as ftp:
        attempt.upload(ftp)
        with pytest.raises(ftplib.error_perm, match=r"^502 .* is not available"):
            ftp.sendcmd(command)
        assert sorted(ftp.nlst()) == sorted(attempt.files)


@pytest.mark.parametrize("name", NAMES)
def test_names_outside_our_form_are_refused(house: Warehouse, attempt: Attempt, name: str) -> None:
    with attempt.login(house) as ftp:
        for command in ("STOR", "SIZE"):
            with pytest.raises(ftplib.error_perm, match=r"^553"):
                ftp.sendcmd(f"{command} {name}")
    assert not attempt.incoming(house).exists()


def test_other_folders_cannot_be_listed(house: Warehouse, attempt: Attempt) -> None:
    with attempt.login(house) as ftp:
        for argument in ("..", "/etc", "images", "-R", "*"):
            with pytest.raises(ftplib.error_perm, match=r"550"):
                ftp.nlst(argument)
        assert ftp.nlst("/") == []
        assert ftp.pwd() == "/"


def test_a_planted_link_is_followed_by_nobody(house: Warehouse, web: Web, attempt: Attempt) -> None:
    victim = house.root / "victim.img.zst"
    victim.write_bytes(b"precious")
    attempt.incoming(house).mkdir()
    (attempt.incoming(house) / "demo.img.zst.part").symlink_to(victim)
    twin = house.root / "twin.img.bmap"
    twin.write_bytes(b"precious too")
    os.link(twin, attempt.incoming(house) / "demo.img.bmap.part")
    with attempt.login(house) as ftp:
        for name in ("demo.img.zst", "demo.img.bmap"):
            with pytest.raises(ftplib.error_perm, match=r"550 .*no regular file"):
                ftp.storbinary(f"STOR {name}", io.BytesIO(b"overwritten"))
    image = house.root / "images" / attempt.order
    image.mkdir()
    (image / "demo.img.zst").symlink_to(victim)
    os.mkfifo(image / "demo.img.bmap")
    with attempt.login(house, "read") as ftp:
        for name in ("demo.img.zst", "demo.img.bmap"):
            with pytest.raises(ftplib.error_perm, match=r"550 .*no regular file"):
                ftp.retrbinary(f"RETR {name}", print)
        assert ftp.nlst() == []
    assert victim.read_bytes() == b"precious"
    assert twin.read_bytes() == b"precious too"


def test_a_folder_that_is_a_link_is_no_folder(house: Warehouse, attempt: Attempt) -> None:
    elsewhere = house.root / "elsewhere"
    elsewhere.mkdir()
    attempt.incoming(house).symlink_to(elsewhere)
    with attempt.login(house) as ftp, pytest.raises(ftplib.Error, match=r"^4"):
        ftp.storbinary("STOR demo.img.zst", io.BytesIO(b"x"))
    assert list(elsewhere.iterdir()) == []


def test_each_right_allows_its_own(house: Warehouse, attempt: Attempt) -> None:
    with attempt.login(house) as ftp:
        attempt.upload(ftp)
        with pytest.raises(ftplib.error_perm, match=r"550 This ticket does not allow RETR"):
            ftp.retrbinary("RETR demo.img.zst", print)
        ftp.sendcmd(attempt.publish_command())
    with attempt.login(house, "read") as ftp:
        for command in ("STOR demo.img.zst", attempt.publish_command()):
            with pytest.raises(ftplib.error_perm, match=r"550 This ticket does not allow"):
                ftp.sendcmd(command)
    assert attempt.is_published(house)


def test_an_image_of_somebody_else_cannot_be_read(house: Warehouse, web: Web, attempt: Attempt) -> None:
    with attempt.login(house) as ftp:
        attempt.upload(ftp)
        ftp.sendcmd(attempt.publish_command())
    stranger = Attempt(web)
    with stranger.login(house, "read") as ftp:
        assert ftp.nlst() == []
        with pytest.raises(ftplib.error_perm, match=r"550"):
            ftp.retrbinary("RETR demo.img.zst", print)
    with pytest.raises(ftplib.error_perm, match=r"530 .*folder"):
        stranger.login(house, "read", folder=attempt.order)
    with pytest.raises(ftplib.error_perm, match=r"530 .*folder"):
        stranger.login(house, "store", folder=attempt.user)


def test_files_are_bytes(house: Warehouse, attempt: Attempt) -> None:
    with attempt.login(house) as ftp:
        ftp.voidcmd("TYPE A")
        with pytest.raises(ftplib.error_perm, match=r"504 Files are bytes"):
            ftp.transfercmd("STOR demo.img.zst")


def test_a_transfer_needs_a_data_connection(house: Warehouse, attempt: Attempt) -> None:
    with attempt.login(house) as ftp, pytest.raises(ftplib.error_temp, match=r"425"):
        ftp.sendcmd("STOR demo.img.zst")


def _forged(name: str, web: Web, attempt: Attempt) -> str:
    claims = jwt.decode(attempt.ticket(), options={"verify_signature": False})
    public = web.signer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    if name == "alg none":
        return jwt.encode(claims, None, algorithm="none", headers={"kid": web.signer.kid})
    if name == "HS256 with the public key":
        return _hs256(claims, public, web.signer.kid)
    if name == "another key under the same kid":
        return Signer(web.signer.kid).ticket(attempt.task, 1, attempt.order)
    return "no.token.at-all"


def _hs256(claims: dict[str, Any], key: bytes, kid: str) -> str:
    import base64
    import hashlib
    import hmac

    def part(data: bytes) -> bytes:
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    header = part(json.dumps({"alg": "HS256", "typ": "JWT", "kid": kid}).encode())
    body = header + b"." + part(json.dumps(claims).encode())
    return (body + b"." + part(hmac.digest(key, body, hashlib.sha256))).decode()


@pytest.mark.parametrize(
    "name", ["alg none", "HS256 with the public key", "another key under the same kid", "nonsense"]
)
def test_forged_tickets_are_refused(house: Warehouse, web: Web, attempt: Attempt, name: str) -> None:
    with house.connect() as ftp, pytest.raises(ftplib.error_perm, match=r"^530 The ticket is"):
        ftp.login(attempt.user, _forged(name, web, attempt))


def test_an_expired_ticket_is_named_as_such(house: Warehouse, attempt: Attempt) -> None:
    with pytest.raises(ftplib.error_perm, match=r"530 The ticket is expired; get a new one"):
        attempt.login(house, exp=int(time.time()) - 60)


def test_the_user_must_belong_to_the_ticket(house: Warehouse, web: Web, attempt: Attempt) -> None:
    with house.connect() as ftp, pytest.raises(ftplib.error_perm, match=r"530 .*another task or attempt"):
        ftp.login(f"{attempt.task}.2", attempt.ticket())
    with (
        house.connect() as ftp,
        pytest.raises(ftplib.error_perm, match=r"530 The user must be <task>.<attempt>"),
    ):
        ftp.sendcmd("USER anonymous")


def test_one_login_per_connection_also_for_a_client_that_does_not_wait(
    house: Warehouse, web: Web, attempt: Attempt
) -> None:
    with socket.create_connection(("127.0.0.1", house.port), timeout=20) as sock:
        tries = [
            f"USER {attempt.user}\r\nPASS wrong\r\n",
            f"USER {attempt.user}\r\nPASS {attempt.ticket()}\r\n",
        ]
        sock.sendall("".join([*tries, "NLST\r\n"]).encode())
        said = b""
        while piece := sock.recv(4096):
            said += piece
    codes = [line.split()[0] for line in said.decode().splitlines()]
    assert codes == ["220", "331", "503", "503", "530", "530"]


def test_a_second_login_needs_a_second_connection(house: Warehouse, attempt: Attempt) -> None:
    with attempt.login(house) as ftp, pytest.raises(ftplib.error_perm, match=r"503"):
        ftp.sendcmd(f"USER {attempt.user}")
    with attempt.login(house) as ftp, pytest.raises(ftplib.error_perm, match=r"503"):
        ftp.sendcmd(f"PASS {attempt.ticket()}")


@pytest.mark.parametrize(
    "command", ["NLST", "STOR demo.img.zst", "SIZE demo.img.zst", "SITE PUBLISH 5b5d", "PASV"]
)
def test_nothing_without_a_login(house: Warehouse, command: str) -> None:
    with house.connect() as ftp, pytest.raises(ftplib.error_perm, match=r"530 Log in"):
        ftp.sendcmd(command)


def test_a_line_without_end_is_hung_up_on(house: Warehouse) -> None:
    with socket.create_connection(("127.0.0.1", house.port), timeout=20) as sock:
        sock.sendall(b"A" * 20_000)
        said = b""
        try:
            while piece := sock.recv(4096):
                said += piece
        except ConnectionResetError:
            pass  # what it did not read is thrown back; the reply came first
        assert b"500 Command too long" in said


def test_no_secret_and_no_ticket_in_the_logs(house: Warehouse, web: Web, attempt: Attempt) -> None:
    good, bad = attempt.ticket(), attempt.ticket(exp=1)
    with house.connect() as ftp:
        ftp.login(attempt.user, good)
    with house.connect() as ftp, pytest.raises(ftplib.error_perm):
        ftp.login(attempt.user, bad)
    with house.connect() as ftp, pytest.raises(ftplib.error_perm):
        ftp.sendcmd(f"USER {good}")
    log = house.log.read_text()
    for word in (good, bad, SECRET, *good.split("."), *bad.split(".")):
        assert word not in log
    for row in map(json.loads, log.splitlines()):
        assert {"order", "task", "host", "step", "event", "level", "timestamp"} <= set(row)
    assert attempt.task in {row["task"] for row in house.events("logged in")}
