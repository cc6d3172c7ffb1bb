"""The chaos suite sees what is wrong beside the database: mails, images, journals. And its proxy does it."""

from __future__ import annotations

import http.server
import threading
from collections import Counter
from types import SimpleNamespace

import pytest
import requests
from django.db import connection

from tasks_app.models import Outbox
from tests import factories as make
from tests.acceptance.chaos import proxy, remains
from tests.acceptance.chaos.proxy import Lossy
from workers.contract import Kind
from workers.journal import Journal

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def line(tmp_path):
    facts = connection.get_connection_params()
    url = "host={host} port={port} user={user} password={password} dbname={dbname}".format(**facts)
    return SimpleNamespace(
        var=tmp_path, warehouse=tmp_path / "warehouse", servers=SimpleNamespace(database_url=url)
    )


def mailbox(*ids, unanswered=()):
    return SimpleNamespace(delivered=lambda: Counter(ids), unanswered=Counter(unanswered))


def seen(violations):
    return [text.split(":")[0] for text in violations]


class TestMails:
    @pytest.fixture
    def mail(self):
        order = make.order(status="placed")
        move = order.moves.create(came_from="", went_to="placed", by="x")
        Outbox.objects.create(kind="mail", dedupe=f"order-move-{move.pk}-a@b")
        return f"<order-move-{move.pk}-a@b@imager>"

    def test_one_mail_for_one_event_is_right(self, line, mail):
        assert list(remains.mails(line, mailbox(mail))) == []

    def test_one_that_never_came(self, line, mail):
        assert seen(remains.mails(line, mailbox())) == ["a mail never came"]

    def test_one_that_came_twice(self, line, mail):
        assert seen(remains.mails(line, mailbox(mail, mail))) == ["a mail came 2 times"]

    def test_one_that_came_twice_because_its_sender_heard_no_answer(self, line, mail):
        assert list(remains.mails(line, mailbox(mail, mail, unanswered=[mail]))) == []

    def test_one_that_nobody_posted(self, line, mail):
        assert seen(remains.mails(line, mailbox(mail, "<x>"))) == ["a mail came that nobody had posted"]

    def test_an_event_of_which_no_mail_tells(self, line, mail):
        Outbox.objects.all().delete()
        assert any("no mail tells" in text for text in remains.mails(line, mailbox()))


class TestImages:
    @pytest.mark.parametrize(
        ("status", "there", "said"),
        [
            ("available", True, []),
            ("available", False, ["is not in the warehouse"]),
            ("canceled", True, ["left on the disk"]),
            ("canceled", False, []),
        ],
    )
    def test_the_warehouse_has_what_is_needed_and_no_more(self, line, status, there, said):
        order = make.order(status=status)
        if there:
            (line.warehouse / "images" / str(order.pk)).mkdir(parents=True)
        found = list(remains.images(line))
        assert len(found) == len(said)
        assert all(words in text for words, text in zip(said, found, strict=True))

    def test_an_image_that_stays_on_a_writer_host(self, line):
        (line.var / "hosts" / "writer-1" / "images" / "x").mkdir(parents=True)
        assert seen(remains.images(line)) == ["left on the disk"]


def test_a_journal_that_owes_or_believes_to_be_at_work(line):
    journal = Journal(line.var / "hosts" / "creator-1" / "journal.db")
    assert list(remains.journals(line)) == []
    journal.begin("t", Kind.CREATE, "b")
    assert len(list(remains.journals(line))) == 1
    journal.close()


class TestProxy:
    @pytest.fixture
    def web(self):
        calls = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                calls.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, format, *args):  # noqa: A002  # the base class names it so
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}", calls=calls)
        server.shutdown()
        server.server_close()

    @pytest.mark.parametrize(
        ("kind", "arrive", "answered"),
        [
            ("", 1, True),
            (proxy.LOST_BEFORE, 0, False),
            (proxy.LOST_AFTER, 1, False),
            (proxy.DOUBLED, 2, True),
        ],
    )
    def test_each_fate(self, web, monkeypatch, kind, arrive, answered):
        lossy = Lossy(0, web.url, seed=1, rate=0.0)
        monkeypatch.setattr(lossy, "fate", lambda: (kind, 0.0))
        try:
            ask = f"http://127.0.0.1:{lossy.port}/x"
            if answered:
                assert requests.post(ask, data=b"body", timeout=30).text == "ok"
            else:
                with pytest.raises(requests.ConnectionError):
                    requests.post(ask, data=b"body", timeout=30)
        finally:
            lossy.stop()
        assert web.calls == [b"body"] * arrive

    def test_the_rate_is_kept_for_losses_and_for_doubles(self, web):
        lossy = Lossy(0, web.url, seed=1, rate=0.05)
        fates = Counter(lossy.fate()[0] for _ in range(20_000))
        lossy.stop()
        assert 800 < fates[proxy.LOST_BEFORE] + fates[proxy.LOST_AFTER] < 1200
        assert 800 < fates[proxy.DOUBLED] + fates[proxy.LATE] < 1200
