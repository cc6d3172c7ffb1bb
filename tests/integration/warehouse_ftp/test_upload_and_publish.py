"""The main way: upload, resume, publish, read - and what must not get through."""

from __future__ import annotations

import ftplib
import io
import os
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.integration.warehouse_ftp.doubles import ROOT, Attempt, Warehouse, Web, wait_for

IMAGE = "demo.img.zst"


def test_four_files_become_the_image_of_the_order(house: Warehouse, web: Web, attempt: Attempt) -> None:
    with attempt.login(house) as ftp:
        attempt.upload(ftp)
        assert ftp.sendcmd(attempt.publish_command()) == "250 Published."
    assert attempt.is_published(house)
    assert not attempt.incoming(house).exists()
    body = {"task": attempt.task, "attempt": 1, "files": attempt.facts()}
    assert web.calls == [("publish", body), ("published", body)]
    assert list((house.root / "state" / "unconfirmed").iterdir()) == []


def test_a_reader_gets_what_was_published(house: Warehouse, web: Web, attempt: Attempt) -> None:
    with attempt.login(house) as ftp:
        attempt.upload(ftp)
        ftp.sendcmd(attempt.publish_command())
    reader = Attempt(web, order=attempt.order)
    with reader.login(house, "read") as ftp:
        assert sorted(ftp.nlst()) == sorted(attempt.files)
        listed = {name: int(facts["size"]) for name, facts in ftp.mlsd() if facts["type"] == "file"}
        assert listed == {name: len(data) for name, data in attempt.files.items()}
        for name, data in attempt.files.items():
            assert ftp.size(name) == len(data)
            got = io.BytesIO()
            ftp.retrbinary(f"RETR {name}", got.write)
            assert got.getvalue() == data
        rest = io.BytesIO()
        ftp.retrbinary(f"RETR {IMAGE}", rest.write, rest=1000)
        assert rest.getvalue() == attempt.files[IMAGE][1000:]
        with pytest.raises(ftplib.error_perm, match=r"554 demo.img.zst has \d+ bytes"):
            ftp.retrbinary(f"RETR {IMAGE}", rest.write, rest=1_000_000)
        lines: list[str] = []
        ftp.dir(lines.append)
        assert len(lines) == 4


def test_publishing_again_is_harmless(house: Warehouse, web: Web, attempt: Attempt) -> None:
    with attempt.login(house) as ftp:
        attempt.upload(ftp)
        ftp.sendcmd(attempt.publish_command())
        assert ftp.sendcmd(attempt.publish_command()) == "250 Published."
    with attempt.login(house) as ftp:
        assert ftp.sendcmd(attempt.publish_command()) == "250 Published."
    assert web.paths() == ["publish", "published", "published", "published"]
    assert attempt.is_published(house)


@pytest.mark.parametrize("end", ["fin", "reset", "kill"])
def test_a_cut_upload_goes_on_where_it_was(
    house: Warehouse, attempt: Attempt, end: str, tmp_path: Path
) -> None:
    whole = os.urandom(6 << 20)
    attempt.files[IMAGE] = whole
    part = attempt.incoming(house) / (IMAGE + ".part")
    if end == "kill":
        _killed_uploader(house, attempt, tmp_path)
    else:
        _cut_upload(house, attempt, reset=end == "reset")
    wait_for(lambda: len(house.events("transfer over")) == 1, "end of the cut upload")
    arrived = part.stat().st_size
    assert 0 < arrived <= 3 << 20
    with attempt.login(house) as ftp:
        assert ftp.size(IMAGE) == arrived
        assert dict(ftp.mlsd())[IMAGE]["size"] == str(arrived)
        ftp.storbinary(f"STOR {IMAGE}", io.BytesIO(whole[arrived:]), rest=arrived)
        for name, data in list(attempt.files.items())[1:]:
            ftp.storbinary(f"STOR {name}", io.BytesIO(data))
        assert ftp.sendcmd(attempt.publish_command()) == "250 Published."
    assert attempt.is_published(house)


def _cut_upload(house: Warehouse, attempt: Attempt, *, reset: bool) -> None:
    ftp = attempt.login(house)
    data = ftp.transfercmd(f"STOR {IMAGE}")
    data.sendall(attempt.files[IMAGE][: 3 << 20])
    part = attempt.incoming(house) / (IMAGE + ".part")
    wait_for(lambda: part.exists() and part.stat().st_size > 0, "first bytes")
    for sock in (data, ftp.sock):
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    ftp.close()


def _killed_uploader(house: Warehouse, attempt: Attempt, folder: Path) -> None:
    (folder / "bytes").write_bytes(attempt.files[IMAGE][: 3 << 20])
    script = (
        "import ftplib,sys,time\n"
        "ftp=ftplib.FTP(); ftp.connect('127.0.0.1',int(sys.argv[1])); ftp.login(sys.argv[2],sys.argv[3])\n"
        "ftp.voidcmd('TYPE I'); data=ftp.transfercmd('STOR demo.img.zst')\n"
        "data.sendall(open(sys.argv[4],'rb').read()); print('sent',flush=True); time.sleep(60)\n"
    )
    argv = [
        sys.executable,
        "-c",
        script,
        str(house.port),
        attempt.user,
        attempt.ticket(),
        str(folder / "bytes"),
    ]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout.readline() == b"sent\n"
        process.kill()


def test_resuming_after_a_crash_of_the_warehouse_hashes_anew(house: Warehouse, attempt: Attempt) -> None:
    with attempt.login(house) as ftp:
        attempt.upload(ftp)
    house.kill()
    house.start_and_hear()
    with attempt.login(house) as ftp:
        assert ftp.sendcmd(attempt.publish_command()) == "250 Published."
    assert attempt.is_published(house)


@pytest.mark.parametrize("offset", [1, 2999, 3001, 10**12])
def test_resuming_elsewhere_than_at_the_end_is_refused(
    house: Warehouse, attempt: Attempt, offset: int
) -> None:
    attempt.files[IMAGE] = os.urandom(3000)
    with attempt.login(house) as ftp:
        attempt.upload(ftp)
        with pytest.raises(ftplib.error_perm, match=rf"554 {IMAGE} has 3000 bytes: resume there"):
            ftp.storbinary(f"STOR {IMAGE}", io.BytesIO(b"x"), rest=offset)
        assert ftp.size(IMAGE) == 3000


def test_a_file_can_be_sent_again_from_zero(house: Warehouse, attempt: Attempt) -> None:
    with attempt.login(house) as ftp:
        ftp.storbinary(f"STOR {IMAGE}", io.BytesIO(b"wrong and longer" * 1000))
        attempt.upload(ftp)
        assert ftp.sendcmd(attempt.publish_command()) == "250 Published."
    assert attempt.is_published(house)


def test_a_wrong_digest_publishes_nothing_and_drops_the_file(
    house: Warehouse, web: Web, attempt: Attempt
) -> None:
    with attempt.login(house) as ftp:
        attempt.upload(ftp)
        bad = bytearray(attempt.files[IMAGE])
        bad[7] ^= 1
        ftp.storbinary(f"STOR {IMAGE}", io.BytesIO(bad))
        with pytest.raises(ftplib.error_perm, match=rf"550 {IMAGE} arrived with another SHA-256"):
            ftp.sendcmd(attempt.publish_command())
        assert web.calls == []
        assert list((house.root / "images").iterdir()) == []
        with pytest.raises(ftplib.error_perm, match=r"does not exist"):
            ftp.size(IMAGE)
        ftp.storbinary(f"STOR {IMAGE}", io.BytesIO(attempt.files[IMAGE]))
        assert ftp.sendcmd(attempt.publish_command()) == "250 Published."


def test_bytes_that_changed_on_the_disk_are_noticed(house: Warehouse, attempt: Attempt) -> None:
    with attempt.login(house) as ftp:
        attempt.upload(ftp)
        part = attempt.incoming(house) / (IMAGE + ".part")
        part.write_bytes(b"\0" * part.stat().st_size)
        with pytest.raises(ftplib.error_perm, match=r"another SHA-256"):
            ftp.sendcmd(attempt.publish_command())


def test_an_unfinished_file_cannot_be_published(house: Warehouse, web: Web, attempt: Attempt) -> None:
    with attempt.login(house) as ftp:
        attempt.upload(ftp)
        ftp.storbinary(f"STOR {IMAGE}", io.BytesIO(attempt.files[IMAGE][:10]))
        with pytest.raises(ftplib.error_perm, match=r"has 10 of \d+ bytes; send the rest"):
            ftp.sendcmd(attempt.publish_command())
    assert web.calls == []


def test_a_file_outside_the_list_stops_the_publication(house: Warehouse, attempt: Attempt) -> None:
    with attempt.login(house) as ftp:
        attempt.upload(ftp)
        ftp.storbinary("STOR other.img.bmap", io.BytesIO(b"x"))
        with pytest.raises(
            ftplib.error_perm, match=r"550 other.img.bmap was uploaded but is not in the list"
        ):
            ftp.sendcmd(attempt.publish_command())


def test_the_server_refuses_a_stale_attempt(house: Warehouse, web: Web, attempt: Attempt) -> None:
    web.refuse["publish"] = (409, {"code": "stale", "detail": "Attempt 1 is over:\r\nattempt 2 runs."})
    with attempt.login(house) as ftp:
        attempt.upload(ftp)
        with pytest.raises(ftplib.error_perm, match=r"550 Attempt 1 is over: attempt 2 runs."):
            ftp.sendcmd(attempt.publish_command())
        assert ftp.voidcmd("NOOP").startswith("200")
    assert list((house.root / "images").iterdir()) == []


@pytest.mark.parametrize("status", [500, 502, 401, 403, 429])
def test_a_server_in_trouble_means_try_again(
    house: Warehouse, web: Web, attempt: Attempt, status: int
) -> None:
    web.refuse["publish"] = (status, {"detail": "oops"})
    with attempt.login(house) as ftp:
        attempt.upload(ftp)
        with pytest.raises(ftplib.error_temp, match=r"450 the server .* repeat the command"):
            ftp.sendcmd(attempt.publish_command())
        del web.refuse["publish"]
        assert ftp.sendcmd(attempt.publish_command()) == "250 Published."
    assert attempt.is_published(house)


def test_another_attempt_never_replaces_an_image(house: Warehouse, web: Web, attempt: Attempt) -> None:
    with attempt.login(house) as ftp:
        attempt.upload(ftp)
        ftp.sendcmd(attempt.publish_command())
    second = Attempt(web, task=attempt.task, attempt=2, order=attempt.order)
    with second.login(house) as ftp:
        second.upload(ftp)
        with pytest.raises(
            ftplib.error_perm, match=rf"already has an image .attempt 1 of task {attempt.task}"
        ):
            ftp.sendcmd(second.publish_command())
    assert attempt.is_published(house)


def test_two_clients_cannot_write_one_file(house: Warehouse, attempt: Attempt) -> None:
    with attempt.login(house) as first, attempt.login(house) as second:
        data = first.transfercmd(f"STOR {IMAGE}")
        data.sendall(b"first")
        with pytest.raises(ftplib.error_temp, match=r"450 .*being written by another connection"):
            second.storbinary(f"STOR {IMAGE}", io.BytesIO(b"second"))
        with pytest.raises(ftplib.error_temp, match=r"450 .*still being written"):
            second.sendcmd(attempt.publish_command())
        assert second.storbinary("STOR demo.img.bmap", io.BytesIO(b"other")).startswith("226")
        data.close()
        assert first.voidresp().startswith("226")
        assert second.size(IMAGE) == 5


def test_an_upload_that_never_got_its_data_connection_frees_the_file(
    house: Warehouse, attempt: Attempt
) -> None:
    with attempt.login(house) as ftp:
        ftp.sendcmd("PASV")
        assert ftp.sendcmd(f"STOR {IMAGE}").startswith("150")
        ftp.sendcmd("ABOR")
        with attempt.login(house) as other:
            assert other.storbinary(f"STOR {IMAGE}", io.BytesIO(b"x")).startswith("226")
        ftp.sendcmd("PASV")
        assert ftp.sendcmd(f"STOR {IMAGE}").startswith("150")
    with attempt.login(house) as other:
        wait_for(lambda: _stores(other), "file is free")


def _stores(ftp: ftplib.FTP) -> bool:
    try:
        return ftp.storbinary(f"STOR {IMAGE}", io.BytesIO(b"x")).startswith("226")
    except ftplib.error_temp:
        return False


def test_the_budget_covers_all_files_and_is_enforced_while_receiving(
    house: Warehouse, attempt: Attempt
) -> None:
    with attempt.login(house, max_bytes=5000) as ftp:
        ftp.storbinary("STOR demo.img.bmap", io.BytesIO(b"b" * 2000))
        ftp.storbinary(f"STOR {IMAGE}", io.BytesIO(b"i" * 3000))
        with pytest.raises(ftplib.error_perm, match=r"552 demo.manifest.json exceeds the 5000 bytes"):
            ftp.storbinary("STOR demo.manifest.json", io.BytesIO(b"m"))
        ftp.storbinary("STOR demo.img.bmap", io.BytesIO(b"b" * 1000))
        with pytest.raises(ftplib.error_perm, match=r"552"):
            ftp.storbinary("STOR demo.manifest.json", io.BytesIO(b"m" * (8 << 20)))
        assert ftp.voidcmd("NOOP").startswith("200")
    assert sum(path.stat().st_size for path in attempt.incoming(house).iterdir()) <= 5000


def test_a_refused_sender_that_never_stops_is_cut_off(house: Warehouse, attempt: Attempt) -> None:
    with attempt.login(house, max_bytes=1000) as ftp:
        data = ftp.transfercmd(f"STOR {IMAGE}")
        with pytest.raises(ConnectionError):
            _send_gigabyte(data)
        data.close()
        with pytest.raises(ftplib.error_perm, match=r"552"):
            ftp.voidresp()


def _send_gigabyte(data: socket.socket) -> None:
    block = b"x" * (1 << 20)
    for _ in range(1024):
        data.sendall(block)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ([], "must name exactly the files"),
        ({}, "must be a list"),
        ([{"name": "demo.img.zst", "size": 1}], "must be a list"),
        ([{"name": "../demo.img.zst", "size": 1, "sha256": "0" * 64}], "must be a list"),
        ([{"name": "demo.img.zst", "size": -1, "sha256": "0" * 64}], "must be a list"),
        ([{"name": "demo.img.zst", "size": True, "sha256": "0" * 64}], "must be a list"),
        ([{"name": "demo.img.zst", "size": 1, "sha256": "0" * 63}], "must be a list"),
        ([{"name": "demo.img.zst", "size": 1, "sha256": "0" * 64}] * 4, "must name exactly"),
    ],
)
def test_a_list_in_another_form_is_refused(
    house: Warehouse, attempt: Attempt, facts: object, reason: str
) -> None:
    with attempt.login(house) as ftp:
        attempt.upload(ftp)
        with pytest.raises(ftplib.error_perm, match=rf"550 The list of files {reason}"):
            ftp.sendcmd(attempt.publish_command(facts))
        for nonsense in ("zz", "7b", "00"):
            with pytest.raises(ftplib.error_perm, match=r"550 The list of files is not the hex of JSON"):
                ftp.sendcmd(f"SITE PUBLISH {nonsense}")


def test_the_longest_names_fit_into_one_command(house: Warehouse, attempt: Attempt) -> None:
    stem = "n" * 103
    attempt.files = {name.replace("demo", stem): data for name, data in attempt.files.items()}
    with attempt.login(house) as ftp:
        attempt.upload(ftp)
        assert ftp.sendcmd(attempt.publish_command()) == "250 Published."
    assert attempt.is_published(house)


def test_many_attempts_at_the_same_time(house: Warehouse, web: Web) -> None:
    attempts = [Attempt(web) for _ in range(6)]
    threads = [threading.Thread(target=_whole_way, args=(house, one)) for one in attempts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(one.is_published(house) for one in attempts)


def _whole_way(house: Warehouse, attempt: Attempt) -> None:
    with attempt.login(house) as ftp:
        attempt.upload(ftp)
        ftp.sendcmd(attempt.publish_command())
