"""Keys that change, connections that are too many, disks that fill up."""

from __future__ import annotations

import ftplib
import io
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.warehouse_ftp.doubles import Attempt, Signer, Warehouse, Web, wait_for


def test_a_new_key_is_fetched_when_a_ticket_names_it(house: Warehouse, web: Web, attempt: Attempt) -> None:
    web.signer = Signer("key-2")
    web.key_set = {"keys": [*web.key_set["keys"], web.signer.jwk()]}
    with attempt.login(house) as ftp:
        assert ftp.nlst() == []


def test_unknown_keys_do_not_make_the_warehouse_ask_again_and_again(
    house: Warehouse, web: Web, attempt: Attempt
) -> None:
    before = web.fetches
    for _ in range(2):
        stranger = Signer("stranger")
        with (
            house.connect() as ftp,
            pytest.raises(ftplib.error_perm, match=r"a key that this warehouse does not know"),
        ):
            ftp.login(attempt.user, stranger.ticket(attempt.task, 1, attempt.order))
    assert web.fetches <= before + 1


def test_at_most_sixteen_connections_from_one_address(house: Warehouse) -> None:
    held = [house.connect() for _ in range(16)]
    with pytest.raises(ftplib.error_temp, match=r"421 Too many connections"):
        house.connect()
    for ftp in held:
        ftp.close()


def test_a_withdrawn_key_is_forgotten(tmp_path: Path, web: Web, attempt: Attempt) -> None:
    old_ticket = attempt.ticket()
    house = Warehouse(tmp_path, web).start_and_hear()
    cache = house.root / "state" / "jwks.json"
    wait_for(lambda: cache.exists() and "key-1" in cache.read_text(), "keys on disk")
    assert house.stop() == 0
    web.key_set = {"keys": [Signer("key-2").jwk()]}
    house.start_and_hear()
    wait_for(lambda: "key-2" in cache.read_text(), "new keys on disk")
    with house.connect() as ftp, pytest.raises(ftplib.error_perm, match=r"does not know"):
        ftp.login(attempt.user, old_ticket)
    assert house.stop() == 0


def test_a_disk_at_its_reserve_takes_no_upload(tmp_path: Path, web: Web, attempt: Attempt) -> None:
    house = Warehouse(tmp_path, web, WAREHOUSE_KEEP_FREE_PERCENT="99").start_and_hear()
    with attempt.login(house) as ftp:
        with pytest.raises(ftplib.error_temp, match=r"452 the warehouse keeps 99 % of its disk free"):
            ftp.storbinary("STOR demo.img.zst", io.BytesIO(b"x"))
        assert ftp.nlst() == []
    assert house.stop() == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "small", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("needs root and the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_said_and_the_rest_can_follow(small_disk: Path, web: Web, attempt: Attempt) -> None:
    house = Warehouse(small_disk, web).start_and_hear()
    whole = os.urandom(4 << 20)
    attempt.files["demo.img.zst"] = whole
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"b" * (6 << 20))
    with attempt.login(house) as ftp:
        with pytest.raises(
            ftplib.error_temp, match=r"452 demo.img.zst cannot be written: No space left on device"
        ):
            ftp.storbinary("STOR demo.img.zst", io.BytesIO(whole))
        arrived = ftp.size("demo.img.zst")
        assert 0 < arrived < len(whole)
        ballast.unlink()
        ftp.storbinary("STOR demo.img.zst", io.BytesIO(whole[arrived:]), rest=arrived)
        for name in list(attempt.files)[1:]:
            ftp.storbinary(f"STOR {name}", io.BytesIO(attempt.files[name]))
        assert ftp.sendcmd(attempt.publish_command()) == "250 Published."
    assert attempt.is_published(house)
    assert house.stop() == 0
