"""What ends: attempts, images, the server's presence, and the process itself."""

from __future__ import annotations

import ftplib
import io
import json
import os
import socket
import time
from pathlib import Path

import pytest

from tests.integration.warehouse_ftp.doubles import Attempt, Warehouse, Web, wait_for

IMAGE = "demo.img.zst"


def _upload_in_progress(house: Warehouse, attempt: Attempt) -> tuple[ftplib.FTP, socket.socket]:
    ftp = attempt.login(house)
    data = ftp.transfercmd(f"STOR {IMAGE}")
    data.sendall(b"x" * 100_000)
    part = attempt.incoming(house) / (IMAGE + ".part")
    wait_for(lambda: part.exists() and part.stat().st_size == 100_000, "bytes of the upload")
    return ftp, data


def test_an_ended_attempt_is_kicked_cleaned_and_kept_out(
    house: Warehouse, web: Web, attempt: Attempt
) -> None:
    other = Attempt(web)
    ftp, data = _upload_in_progress(house, attempt)
    other_ftp, other_data = _upload_in_progress(house, other)
    web.end(ended=[{"task": attempt.task, "attempt": 1}])
    with pytest.raises(ftplib.error_temp, match=r"421 This attempt has ended"):
        ftp.voidresp()
    wait_for(lambda: not attempt.incoming(house).exists(), "removal of the leftovers")
    with pytest.raises(ftplib.error_perm, match=r"530 .*has ended"):
        attempt.login(house)
    other_data.close()
    assert other_ftp.voidresp().startswith("226")
    assert other.incoming(house).exists()
    for thing in (data, ftp, other_ftp):
        thing.close()


def test_an_ended_attempt_stays_out_after_a_restart(house: Warehouse, web: Web, attempt: Attempt) -> None:
    web.end(ended=[{"task": attempt.task, "attempt": 1}])
    wait_for(lambda: attempt.task in (house.root / "state" / "ended.json").read_text(), "news on disk")
    polls = web.polls
    assert house.stop() == 0
    house.start()
    wait_for(lambda: web.polls > polls, "another round")
    with pytest.raises(ftplib.error_perm, match=r"530 .*has ended"):
        attempt.login(house)


def test_a_reader_of_an_ended_attempt_is_kicked_too(house: Warehouse, web: Web, attempt: Attempt) -> None:
    ftp = attempt.login(house, "read")
    web.end(ended=[{"task": attempt.task, "attempt": 1}])
    with pytest.raises((ftplib.error_temp, EOFError, ConnectionError)):
        wait_for(lambda: ftp.voidcmd("NOOP") is None, "end of the session")
    ftp.close()


def test_a_removed_image_goes_and_its_readers_with_it(house: Warehouse, web: Web, attempt: Attempt) -> None:
    with attempt.login(house) as ftp:
        attempt.upload(ftp)
        ftp.sendcmd(attempt.publish_command())
    reader = Attempt(web, order=attempt.order).login(house, "read")
    web.end(removed=[attempt.order])
    wait_for(lambda: not attempt.image(house).exists(), "removal of the image")
    with pytest.raises((ftplib.error_temp, EOFError, ConnectionError)):
        wait_for(lambda: reader.voidcmd("NOOP") is None, "end of the session")
    reader.close()
    wait_for(lambda: not list((house.root / "trash").iterdir()), "the image's bytes gone from the trash")


@pytest.mark.parametrize("ahead", [-86_400.0, 86_400.0])
def test_a_server_whose_clock_is_a_day_off_is_believed_after_its_first_word(
    house: Warehouse, web: Web, ahead: float
) -> None:
    web.signer.ahead = ahead
    polls = web.polls
    wait_for(lambda: web.polls >= polls + 2, "two polls: the first one's answer is taken in")
    attempt = Attempt(web)
    with attempt.login(house) as ftp:
        attempt.upload(ftp)
        ftp.sendcmd(attempt.publish_command())
    assert attempt.is_published(house)


def test_a_published_image_outlives_the_end_of_its_attempt(
    house: Warehouse, web: Web, attempt: Attempt
) -> None:
    with attempt.login(house) as ftp:
        attempt.upload(ftp)
        ftp.sendcmd(attempt.publish_command())
    web.end(ended=[{"task": attempt.task, "attempt": 1}])
    state = house.root / "state" / "ended.json"
    wait_for(lambda: json.loads(state.read_text())["cursor"] == "1", "news carried out")
    assert attempt.is_published(house)


def test_transfers_go_on_while_the_server_is_away_and_it_is_told_once(
    house: Warehouse, web: Web, attempt: Attempt
) -> None:
    ftp, data = _upload_in_progress(house, attempt)
    web.stop()
    wait_for(lambda: house.events("the server cannot be asked what has ended"), "notice")
    data.sendall(b"y" * 1000)
    data.close()
    assert ftp.voidresp().startswith("226")
    assert ftp.size(IMAGE) == 101_000
    with attempt.login(house) as second:
        attempt.upload(second)
        with pytest.raises(ftplib.error_temp, match=r"450 the server does not answer"):
            second.sendcmd(attempt.publish_command())
        web.start()
        wait_for(lambda: house.events("the server answers again"), "return of the server")
        assert second.sendcmd(attempt.publish_command()) == "250 Published."
    assert len(house.events("the server cannot be asked what has ended")) == 1
    ftp.close()


def test_a_restart_while_the_server_is_away(house: Warehouse, web: Web, attempt: Attempt) -> None:
    with attempt.login(house) as ftp:
        attempt.upload(ftp)
    assert house.stop() == 0
    web.stop()
    house.start()
    with attempt.login(house) as ftp:
        assert ftp.size(IMAGE) == len(attempt.files[IMAGE])


def test_without_news_for_ten_minutes_nobody_begins_to_store(
    house: Warehouse, web: Web, attempt: Attempt
) -> None:
    assert house.stop() == 0
    web.stop()
    state = house.root / "state" / "ended.json"
    state.write_text(json.dumps({**json.loads(state.read_text()), "heard": time.time() - 601}))
    house.start()
    with pytest.raises(ftplib.error_temp, match=r"421 The warehouse has not heard from the server"):
        attempt.login(house)
    with attempt.login(house, "read") as ftp:
        assert ftp.nlst() == []
    web.start()
    wait_for(lambda: house.events("the server answers again"), "return of the server")
    with attempt.login(house) as ftp:
        assert ftp.nlst() == []


def test_an_answer_in_another_form_changes_nothing(house: Warehouse, web: Web, attempt: Attempt) -> None:
    outside = house.root / "outside"
    outside.mkdir()
    web.refuse["ended"] = (200, {"cursor": "7", "now": 1.0, "ended": [], "removed": ["../outside"]})
    wait_for(lambda: house.events("the server cannot be asked what has ended"), "notice")
    assert outside.exists()
    assert json.loads((house.root / "state" / "ended.json").read_text())["cursor"] != "7"


def test_untouched_leftovers_go_after_48_hours(tmp_path: Path, web: Web) -> None:
    house = Warehouse(tmp_path, web)
    old, young = Attempt(web), Attempt(web)
    for attempt in (old, young):
        attempt.incoming(house).mkdir(parents=True)
        (attempt.incoming(house) / "demo.img.zst.part").write_bytes(b"x")
    foreign = house.root / "incoming" / "lost+found"
    foreign.mkdir()
    past = time.time() - 49 * 3600
    for path in (
        old.incoming(house) / "demo.img.zst.part",
        old.incoming(house),
        young.incoming(house),
        foreign,
    ):
        os.utime(path, (past, past))
    (house.root / "trash" / "half").mkdir(parents=True)
    house.start_and_hear()
    wait_for(lambda: not old.incoming(house).exists(), "the reaper")
    assert young.incoming(house).exists()
    assert foreign.exists()
    assert not (house.root / "trash" / "half").exists()
    assert house.stop() == 0


def test_stopping_tells_the_sessions_and_keeps_what_arrived(house: Warehouse, attempt: Attempt) -> None:
    ftp, data = _upload_in_progress(house, attempt)
    assert house.stop() == 0
    with pytest.raises(ftplib.error_temp, match=r"421 The warehouse is stopping"):
        ftp.voidresp()
    assert not house.port_file.exists()
    for thing in (data, ftp):
        thing.close()
    house.start_and_hear()
    with attempt.login(house) as ftp:
        assert ftp.size(IMAGE) == 100_000
        ftp.storbinary(f"STOR {IMAGE}", io.BytesIO(b"z"), rest=100_000)
        assert ftp.size(IMAGE) == 100_001


def test_two_servers_never_share_a_root(house: Warehouse, tmp_path: Path, web: Web) -> None:
    second = Warehouse(tmp_path, web)
    second.port_file = tmp_path / "port-2"
    second.log = tmp_path / "log-2"
    with pytest.raises(AssertionError, match=r"another warehouse server works on"):
        second.start()
    assert second.process is not None
    assert second.process.returncode == 2
