"""A publication cut at any point is finished by a repeat - or by the warehouse itself."""

from __future__ import annotations

import ftplib
from pathlib import Path

import pytest

from tests.integration.warehouse_ftp.doubles import Attempt, Warehouse, Web, wait_for


def _uploaded(house: Warehouse, attempt: Attempt) -> None:
    with attempt.login(house) as ftp:
        attempt.upload(ftp)


def _unconfirmed(house: Warehouse) -> list[Path]:
    return list((house.root / "state" / "unconfirmed").iterdir())


def _published_but_unconfirmed(house: Warehouse, web: Web, attempt: Attempt) -> None:
    """As after a power cut right behind the rename."""
    web.refuse["published"] = (503, {})
    with attempt.login(house) as ftp:
        attempt.upload(ftp)
        with pytest.raises(ftplib.error_temp, match=r"450 stored, but not yet confirmed"):
            ftp.sendcmd(attempt.publish_command())
    assert attempt.is_published(house)
    assert [path.name for path in _unconfirmed(house)] == [attempt.order]


@pytest.mark.parametrize("crash", [False, True])
def test_the_warehouse_confirms_by_itself(house: Warehouse, web: Web, attempt: Attempt, crash: bool) -> None:
    _published_but_unconfirmed(house, web, attempt)
    if crash:
        house.kill()
        del web.refuse["published"]
        house.start()
    else:
        del web.refuse["published"]
    wait_for(lambda: not _unconfirmed(house), "confirmation")
    assert web.calls[-1] == ("published", {"task": attempt.task, "attempt": 1, "files": attempt.facts()})
    assert attempt.is_published(house)


def test_a_repeat_confirms(tmp_path: Path, web: Web) -> None:
    house = Warehouse(tmp_path, web, WAREHOUSE_POLL_SECONDS="300").start_and_hear()
    attempt = Attempt(web)
    _published_but_unconfirmed(house, web, attempt)
    house.kill()
    del web.refuse["published"]
    house.start()
    with attempt.login(house) as ftp:
        assert ftp.sendcmd(attempt.publish_command()) == "250 Published."
    assert _unconfirmed(house) == []
    assert house.stop() == 0


@pytest.mark.parametrize("sealed", [0, 2, 4])
@pytest.mark.parametrize("marked", [False, True])
def test_a_cut_between_sealing_and_rename(
    house: Warehouse, web: Web, attempt: Attempt, sealed: int, marked: bool
) -> None:
    _uploaded(house, attempt)
    house.kill()
    for name in list(attempt.files)[:sealed]:
        part = attempt.incoming(house) / (name + ".part")
        part.rename(part.with_suffix(""))
    if marked:
        (house.root / "state" / "unconfirmed" / attempt.order).touch()
    house.start_and_hear()
    with attempt.login(house) as ftp:
        assert sorted(ftp.nlst()) == sorted(attempt.files)
        assert ftp.sendcmd(attempt.publish_command()) == "250 Published."
    assert attempt.is_published(house)
    assert _unconfirmed(house) == []


def test_a_sealed_file_is_not_written_again(house: Warehouse, attempt: Attempt) -> None:
    _uploaded(house, attempt)
    part = attempt.incoming(house) / "demo.img.zst.part"
    part.rename(part.with_suffix(""))
    with attempt.login(house) as ftp:
        ftp.sendcmd("PASV")
        with pytest.raises(ftplib.error_perm, match=r"553 .*complete and sealed"):
            ftp.sendcmd("STOR demo.img.zst")


def test_an_image_that_the_server_gave_up_makes_room_for_the_next_attempt(tmp_path: Path, web: Web) -> None:
    house = Warehouse(tmp_path, web, WAREHOUSE_POLL_SECONDS="300").start_and_hear()
    first = Attempt(web)
    _published_but_unconfirmed(house, web, first)
    web.refuse["published"] = (409, {"code": "stale", "detail": "attempt 2 runs"})
    second = Attempt(web, task=first.task, attempt=2, order=first.order)
    with second.login(house) as ftp:
        second.upload(ftp)
        with pytest.raises(ftplib.error_perm, match=r"550 attempt 2 runs"):
            ftp.sendcmd(second.publish_command())
    kept = house.root / "refused"
    assert {path.name for path in kept.iterdir()} == {
        f"{first.order}.{a.task}.{a.attempt}" for a in (first, second)
    }
    assert not first.image(house).exists()
    assert house.stop() == 0


def test_an_image_of_unknown_origin_is_left_alone(house: Warehouse, attempt: Attempt) -> None:
    attempt.image(house).mkdir()
    (attempt.image(house) / "demo.img.zst").write_bytes(b"by hand")
    _uploaded(house, attempt)
    with attempt.login(house) as ftp, pytest.raises(ftplib.error_perm, match=r"550 .*unknown origin"):
        ftp.sendcmd(attempt.publish_command())
    assert (attempt.image(house) / "demo.img.zst").read_bytes() == b"by hand"


def test_a_refused_confirmation_of_a_confirmed_image_deletes_nothing(
    house: Warehouse, web: Web, attempt: Attempt
) -> None:
    with attempt.login(house) as ftp:
        attempt.upload(ftp)
        ftp.sendcmd(attempt.publish_command())
        web.refuse["published"] = (409, {"code": "stale", "detail": "long over"})
        with pytest.raises(ftplib.error_perm, match=r"550 long over"):
            ftp.sendcmd(attempt.publish_command())
    assert attempt.is_published(house)
