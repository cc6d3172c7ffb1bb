"""An archive at an address: one look at it, at public servers alone, and a sentence for each thing amiss."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest
from django.core.exceptions import ValidationError

from orders import preload, public_net
from tests.unit.orders.test_archives import unpacked, zipped

ARCHIVE = zipped({f"{n}.txt": bytes([n]) * 9000 for n in range(5)})


class Handler(http.server.BaseHTTPRequestHandler):
    """`/ranges` knows ranges, `/plain` does not; the others do what their name says."""

    def do_GET(self):  # the base class names it so
        path, _, _query = self.path.partition("?")
        if path == "/loop":
            return self.told(302, Location="/loop")
        if path == "/moved":
            return self.told(301, Location="/ranges")
        if path == "/inside":
            return self.told(302, Location="http://10.0.0.1/secret.zip")
        if path == "/elsewhere":
            return self.told(302, Location="file:///etc/passwd")
        if path == "/nowhere":
            return self.told(302, Location="http://[")
        if path == "/gone":
            return self.told(404)
        if path == "/page":
            return self.told(200, b"<html>", **{"Content-Length": "6"})
        if path == "/endless":
            return self.told(200, ARCHIVE[:100])
        if path == "/ranges":
            return self.part()
        return self.told(200, ARCHIVE, **{"Content-Length": str(len(ARCHIVE))})

    def part(self):
        wanted = self.headers["Range"].removeprefix("bytes=")
        first, _, last = wanted.partition("-")
        begin, end = (int(first), int(last) + 1) if first else (len(ARCHIVE) - int(last), len(ARCHIVE))
        body = ARCHIVE[begin:end]
        told = {"Content-Range": f"bytes {begin}-{end - 1}/{len(ARCHIVE)}", "Content-Length": str(len(body))}
        self.told(206, body, **told)

    def told(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def allowed(settings):
    settings.FETCH_ALLOW_NETWORKS = ["127.0.0.0/8"]


@pytest.mark.parametrize("path", ["/ranges", "/moved"])
def test_the_index_says_how_much_room_it_takes(server, allowed, path):
    assert preload.look(server + path) == preload.Found(len(ARCHIVE), unpacked(ARCHIVE))


def test_a_server_without_ranges_says_how_large_it_is(server, allowed):
    assert preload.look(f"{server}/plain").size == len(ARCHIVE)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/gone", "answers 404"),
        ("/page", "no ZIP archive"),
        ("/loop", "from one to the next"),
        ("/inside", "10.0.0.1 is no public server"),
        ("/elsewhere", "begins with https://"),
        ("/endless", "Content-Length"),
        ("/nowhere", "does not answer in time, or breaks off"),
    ],
)
def test_what_is_amiss_is_told(server, allowed, path, words):
    with pytest.raises(ValidationError) as refusal:
        preload.look(server + path)

    assert words in refusal.value.messages[0]


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/x.zip",
        "http://127.0.0.1:5432/",
        "http://127.1/",
        "http://0x7f000001/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://168.63.129.16/",
        "http://192.168.1.1/",
        "http://0.0.0.0/",
    ],
)
def test_nobody_inside_is_asked(url, monkeypatch):
    monkeypatch.setattr(preload, "_pool", lambda *_args: pytest.fail("a connection was made"))
    with pytest.raises(ValidationError, match="no public server"):
        preload.look(url)


def test_a_body_that_comes_by_the_byte_is_not_waited_for(server, allowed, monkeypatch):
    monkeypatch.setattr(preload, "PATIENCE", 0.0)
    with pytest.raises(ValidationError, match="does not answer in time"):
        preload.look(f"{server}/ranges")


def test_a_name_that_leads_inside_as_well_is_refused(monkeypatch):
    addresses = [(0, 0, 0, "", ("93.184.215.14", 80)), (0, 0, 0, "", ("10.0.0.1", 80))]
    monkeypatch.setattr(public_net.socket, "getaddrinfo", lambda *_args, **_named: addresses)
    with pytest.raises(public_net.NotPublic):
        public_net.address_of("both.example", 80)


def test_the_address_that_was_judged_is_the_one_that_is_asked(server, settings, monkeypatch):
    """A name that means something else when it is looked up for the second time."""
    settings.FETCH_ALLOW_NETWORKS = ["127.0.0.1/32"]
    port = int(server.rpartition(":")[2])
    answers = iter([[(0, 0, 0, "", ("127.0.0.1", port))]] * 2)
    monkeypatch.setattr(public_net.socket, "getaddrinfo", _once_for(answers, "rebind.example"))

    assert preload.look(f"http://rebind.example:{port}/ranges").size == len(ARCHIVE)


def _once_for(answers, name):
    real = public_net.socket.getaddrinfo

    def lookup(host, *args, **named):
        return next(answers) if host == name else real(host, *args, **named)

    return lookup


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://a.example/x.zip", "begins with https://"),
        ("https://u:p@a.example/x.zip", "without user name"),
        ("http://a.example/x y.zip", "blanks"),
        ("http://no-such-server.invalid/x.zip", "no server"),
    ],
)
def test_addresses_that_nobody_can_ask(url, words):
    with pytest.raises(ValidationError) as refusal:
        preload.look(url)

    assert words in refusal.value.messages[0]
