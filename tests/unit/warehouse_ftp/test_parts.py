"""Names, the ended list, keys, uploads: the parts that need no connection."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
import requests
from jwt.algorithms import OKPAlgorithm

from tests.unit.warehouse_ftp.test_tickets import KEY
from warehouse.ftp import folders, names, statefile, web
from warehouse.ftp.depot import Depot
from warehouse.ftp.ended import REMEMBERED, STALE_AFTER, EndedList
from warehouse.ftp.incoming import Incoming
from warehouse.ftp.keys import Keys
from warehouse.ftp.layout import Layout, RootBusy
from warehouse.ftp.publication import Publication
from warehouse.ftp.publication import read as read_record
from warehouse.ftp.refusal import Refused, one_line
from warehouse.ftp.tickets import Ticket
from warehouse.ftp.upload import DRAIN_BYTES, Upload
from warehouse.ftp.visits import Visits
from warehouse.ftp.web import ServerAway
from workers.contract import Right

USER = "11111111-2222-3333-4444-555555555555.1"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.img.zst", "a"),
        ("a.manifest.json.sig", "a"),
        ("a.b-c_D.img.bmap", "a.b-c_D"),
        ("a.img.zst.img.zst", "a.img.zst"),
        ("a.img.zst.torrent", "a"),
        ("a.torrent", None),
        (".img.zst", None),
        ("a.img", None),
        ("a.img.zst\n", None),
        (7, None),
    ],
)
def test_stems(name: object, stem: str | None) -> None:
    assert names.stem_of(name) == stem


@pytest.mark.parametrize(
    "user", ["x.1", USER + "0000000000", USER[:-1] + "0", USER[:-1] + "01", USER + "\n", ""]
)
def test_users_in_another_form(user: str) -> None:
    assert names.is_attempt(USER)
    assert not names.is_attempt(user)


def test_reasons_are_one_line() -> None:
    assert one_line("a\r\n250 Published.\x1b[0m  b") == "a 250 Published. [0m b"
    assert len(one_line("x" * 10_000)) == 400
    french = "La tentative « 1 » est terminée\N{NO-BREAK SPACE}: l’autre œuvre…"
    assert one_line(french) == 'La tentative " 1 " est terminee : l\'autre ?uvre...'


def test_the_ended_list_ages_and_survives(tmp_path: Path) -> None:
    clock, wall = Clock(), Clock()
    ended = EndedList(tmp_path / "ended.json", clock, wall)
    assert not ended.is_fresh()
    ended.add([USER])
    ended.heard("c1")
    assert ended.is_fresh()
    clock.now += STALE_AFTER - 1
    assert ended.is_fresh()
    clock.now += 1
    assert not ended.is_fresh()
    wall.now += 300
    again = EndedList(tmp_path / "ended.json", Clock(), wall)
    assert (again.cursor, again.has(USER), again.is_fresh()) == ("c1", True, True)
    wall.now += 300
    assert not EndedList(tmp_path / "ended.json", Clock(), wall).is_fresh()
    wall.now -= 10_000
    assert not EndedList(tmp_path / "ended.json", Clock(), wall).is_fresh()
    wall.now += REMEMBERED + 10_000
    again.add(["other"])
    assert not again.has(USER)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff"])
def test_a_state_file_that_broke_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state").write_bytes(content)
    assert statefile.read(tmp_path / "state") == {}
    statefile.write(tmp_path / "state", {"a": 1})
    assert statefile.read(tmp_path / "state") == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_removals_follow_no_link_and_are_finished_at_the_next_start(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.prepare()
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    layout.image("order").symlink_to(precious)
    layout.remove(layout.image("order"))
    layout.remove(layout.image("nothing"))
    (tmp_path / "trash" / "file").touch()
    (tmp_path / "trash" / "folder").mkdir()
    (tmp_path / "trash" / "link").symlink_to(precious)
    layout.finish_removals()
    assert list((tmp_path / "trash").iterdir()) == []
    assert (precious / "file").exists()


def test_a_root_has_one_owner(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.prepare()
    with layout.alone(), pytest.raises(RootBusy, match="stop it first"), layout.alone():
        pass
    with layout.alone():
        pass


def _key_set(*kids: str) -> dict[str, Any]:
    row = json.loads(OKPAlgorithm.to_jwk(KEY.public_key()))
    return {"keys": [{**row, "kid": kid} for kid in kids]}


def test_keys_are_fetched_once_per_half_minute(tmp_path: Path) -> None:
    clock, fetches = Clock(), []
    keys = Keys(tmp_path / "jwks.json", lambda: fetches.append(1) or _key_set("a"), clock)
    assert keys.find("a") is not None
    assert [keys.find("b"), keys.find("c"), len(fetches)] == [None, None, 1]
    clock.now += 30
    assert keys.find("b") is None
    assert len(fetches) == 2


def test_a_slow_fetch_keeps_nobody_with_a_known_key_waiting(tmp_path: Path) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slow() -> dict[str, Any]:
        asked.set()
        assert go_on.wait(20)
        return _key_set("a", "b")

    statefile.write(tmp_path / "jwks.json", _key_set("a"))
    keys = Keys(tmp_path / "jwks.json", slow)
    stranger = threading.Thread(target=keys.find, args=("b",))
    stranger.start()
    assert asked.wait(20)
    assert keys.find("a") is not None  # would hang here
    go_on.set()
    stranger.join()
    assert keys.find("b") is not None


def test_keys_of_another_kind_are_left_out_and_bad_sets_change_nothing(tmp_path: Path) -> None:
    good = _key_set("a")
    bad = [
        {"kty": "oct", "kid": "h", "k": "AAAA"},
        {"kty": "RSA", "kid": "r"},
        {**good["keys"][0], "x": "AA", "kid": "s"},
        7,
    ]
    answers: list[Any] = [{"keys": [*bad, *good["keys"]]}, {"keys": []}, {"keys": "no"}, {}]
    keys = Keys(tmp_path / "jwks.json", lambda: answers.pop(0))
    keys.refresh()
    assert [kid for kid in ("h", "r", "s") if keys.find(kid)] == []
    while answers:
        keys.refresh()
    assert keys.find("a") is not None
    assert Keys(tmp_path / "jwks.json", _away).find("a") is not None


def _away() -> dict[str, Any]:
    raise ServerAway("gone")


def test_without_keys_and_server_nobody_is_known(tmp_path: Path) -> None:
    assert Keys(tmp_path / "jwks.json", _away).find("a") is None


def test_visits_end_when_they_have_left() -> None:
    visits = Visits()
    visit = visits.enter(Ticket(USER[:-2], 1, "order", Right.STORE, 0))
    other = visits.enter(Ticket(USER[:-2], 2, "order", Right.READ, 0))
    assert visits.is_storing(USER)
    assert not visits.is_storing(USER[:-1] + "2")
    chosen = visits.of_attempt(USER[:-2], 1)
    assert not visits.end(chosen, timeout=0)
    assert (visit.leave.is_set(), other.leave.is_set()) == (True, False)
    visits.left(visit)
    assert visits.end(chosen, timeout=0)
    assert not visits.end(visits.of_order("order"), timeout=0)


class Allowed:
    """An allowance that counts."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def grow(self, name: str, count: int) -> None:
        pass

    def check_free(self) -> None:
        pass

    def done(self, name: str, digest: object) -> None:
        self.ended.append(name)


def _upload(path: Path, allowance: Any) -> Upload:
    return Upload(os.open(path, os.O_WRONLY | os.O_CREAT), "a.img.zst", hashlib.sha256(), allowance)


def test_an_upload_that_cannot_be_written_drains_then_gives_up(tmp_path: Path, monkeypatch: Any) -> None:
    allowance, refusals, drained = Allowed(), [], []
    upload = _upload(tmp_path / "file", allowance)
    upload.on_refused, upload.on_drained = refusals.append, lambda: drained.append(1)
    os.close(upload._handle)
    upload._handle = os.open("/dev/full", os.O_WRONLY)
    upload.write(b"x")
    assert [(no.code, os.strerror(errno.ENOSPC) in str(no)) for no in refusals] == [(452, True)]
    assert allowance.ended == ["a.img.zst"]
    upload.write(bytes(DRAIN_BYTES - 1))
    assert drained == []
    upload.write(b"x")
    assert drained == [1]
    upload.close()
    assert allowance.ended == ["a.img.zst"]


def test_what_was_hashed_on_arrival_is_not_read_again(tmp_path: Path) -> None:
    incoming = Incoming(tmp_path / USER, keep_free_percent=0)
    upload = incoming.store("a.img.zst", 0, 100)
    upload.write(b"abc")
    upload.close()
    upload = incoming.store("a.img.zst", 3, 100)
    upload.write(b"def")
    upload.close()
    facts: Any = [{"name": "a.img.zst", "size": 6, "sha256": hashlib.sha256(b"abcdef").hexdigest()}]
    incoming.verify(facts, _must_not_read)
    later = Incoming(tmp_path / USER, keep_free_percent=0)
    with pytest.raises(Refused, match="read"):
        later.verify(facts, _must_not_read)
    reads: list[int] = []
    later.verify(facts, lambda: reads.append(1))
    assert reads == [1]


def _must_not_read() -> None:
    raise Refused(421, "read")


def test_a_record_that_broke_is_none(tmp_path: Path) -> None:
    record = Publication(task=USER[:-2], attempt=1, files=[])
    record.write(tmp_path)
    assert read_record(tmp_path) == record
    (tmp_path / ".publication.json").write_text('{"task": "x"}')
    assert read_record(tmp_path) is None


def test_listing_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert folders.entries(tmp_path / "no") == {}
    assert folders.machine_listing(tmp_path / "no") == ""


@pytest.mark.parametrize(
    ("status", "content", "expected"),
    [
        (409, b'{"code": "stale", "detail": "over"}', web.ServerRefused),
        (404, b'{"title": "Not found"}', web.ServerRefused),
        (404, b"<html>", ServerAway),
        (422, b"[]", ServerAway),
        (302, b"", ServerAway),
        (401, b"{}", ServerAway),
        (503, b'{"detail": "x"}', ServerAway),
    ],
)
def test_refusals_and_troubles_are_told_apart(
    status: int, content: bytes, expected: type[Exception], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    response = requests.Response()
    response.status_code, response._content = status, content
    monkeypatch.setattr(requests, "request", lambda *_args, **_options: response)
    config = web.Config(root=tmp_path, slug="s", secret="x", server_url="http://127.0.0.1:1")
    with pytest.raises(expected):
        web.Web(config).publish(USER[:-2], 1, [])


def test_old_news_do_not_remove_a_newer_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(tmp_path)
    layout.prepare()
    depot = Depot(web.Config(root=tmp_path, slug="s", secret="x", server_url="http://127.0.0.1:1"), layout)
    layout.image("order").mkdir()
    monkeypatch.setattr(depot.publisher, "moved_at", lambda _order: 100.0)
    depot.remove_image("order", known_at=99.0)
    assert layout.image("order").exists()
    depot.remove_image("order", known_at=101.0)
    assert not layout.image("order").exists()
