"""Ways through the network: guards after redirects and look-ups, mirrors, proxies, cancels."""

import base64
import hashlib
import random
import socket
import threading
import time
from contextlib import closing

import pytest

from tests.integration.creator.conftest import HERE
from tests.integration.creator.server import ContentServer
from workers.backoff import Backoff
from workers.creator import wire
from workers.creator.crew import all_of
from workers.creator.fetch import Fetcher
from workers.creator.guard import networks_of
from workers.creator.recipe import Checksum
from workers.creator.rules import Rules
from workers.errors import Canceled, HostError, JobError

DATA = random.Random(5).randbytes(2_000_000)
SHA256 = Checksum(algo="sha-256", value=hashlib.sha256(DATA).hexdigest())
HASTE = Backoff(first=0.001, most=0.002)
AT_ONCE = 10  # seconds: two on a calm machine; a silent server is borne with for sixty


class Memory:
    def __init__(self):
        self.data = bytearray()

    def write(self, data):
        self.data += data

    def rewind(self):
        self.data.clear()


@pytest.fixture
def sink():
    return Memory()


@pytest.fixture
def other():
    with closing(ContentServer()) as running:
        yield running


@pytest.fixture
def names(monkeypatch):
    """What names stand for, one answer after the other; the last one stays."""
    known = {}
    real = socket.getaddrinfo

    def ask(host, port, *more, **others):
        if host not in known:
            return real(host, port, *more, **others)
        answers = known[host]
        address = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(wire.socket, "getaddrinfo", ask)
    return known


def metalink(*urls, digest=SHA256.value):
    places = "".join(f'<url priority="{n}">{url}</url>' for n, url in enumerate(urls, 1))
    return (
        f'<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="a"><size>{len(DATA)}</size>'
        f'<hash type="sha-256">{digest}</hash>{places}</file></metalink>'
    ).encode()


# Guards.


@pytest.fixture
def strict(report):
    """A host that allows one address alone: what is at others is private to it."""
    rules = Rules(networks=networks_of("127.0.0.1/32"))
    with closing(Fetcher(report, rules=rules, backoff=HASTE)) as found:
        yield found


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("http://127.0.0.2:{port}/secret", "forbidden_address"),
        ("http://[::1]:{port}/secret", "forbidden_address"),
        ("http://169.254.169.254/latest/meta-data/", "forbidden_address"),
        ("http://inside.example:{port}/secret", "forbidden_address"),
        ("file:///etc/passwd", "bad_source"),
        ("ftp://127.0.0.1/secret", "bad_source"),
    ],
)
def test_a_redirect_leads_nowhere_that_is_forbidden(server, strict, sink, names, target, code):
    names["inside.example"] = ["127.0.0.2"]
    server.put("/secret", b"secret")
    url = server.put("/a", location=target.format(port=server.port))
    with pytest.raises(JobError) as caught:
        strict.fetch(url, sink)
    assert caught.value.code == code
    assert ("GET", "/secret", "") not in server.seen
    assert not sink.data


def test_a_name_is_checked_when_it_is_connected_to(server, strict, sink, names):
    """It stood for a public address when somebody looked, and for another one a moment later."""
    names["rebind.example"] = ["127.0.0.1", "127.0.0.2"]
    server.put("/a", b"first")
    url = f"http://rebind.example:{server.port}/a"
    assert strict.look(url).size == 5
    strict.http._session.close()  # the next one is a new connection
    with pytest.raises(JobError, match="not public") as caught:
        strict.fetch(url, sink)
    assert caught.value.code == "forbidden_address"
    assert server.gets("/a") == []


def test_hosts_allow_no_private_address_by_themselves(server, report, sink):
    url = server.put("/a", b"1")
    with closing(Fetcher(report)) as fetcher, pytest.raises(JobError, match="allow_networks"):
        fetcher.fetch(url, sink)
    assert server.seen == []


def test_a_digest_page_is_guarded_too(server, strict, sink):
    url = server.put("/a", b"1")
    where = f"http://127.0.0.2:{server.port}/a.md5"
    with pytest.raises(JobError) as caught:
        strict.fetch(url, sink, checksum=Checksum(algo="md5", kind="url", value=where))
    assert caught.value.code == "forbidden_address"


def test_a_file_beyond_the_hosts_limit_is_stopped(server, report, sink):
    url = server.put("/a", DATA, length=False)
    rules = Rules(networks=HERE.networks, max_file=1_500_000)
    told = pytest.raises(JobError, match="the limit; use a smaller file")
    with closing(Fetcher(report, rules=rules)) as fetcher, told as caught:
        fetcher.fetch(url, sink)
    assert caught.value.code == "too_large"
    assert len(sink.data) <= 1_500_000


def test_netrc_is_not_told_to_strangers(server, fetcher, sink, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    fetcher.fetch(server.put("/a", b"1"), sink)
    assert server.authorizations == [""]


def test_credentials_go_no_further_than_their_server(server, other, fetcher, sink):
    goal = other.put("/b", b"1")
    url = server.put("/a", location=goal).replace("//", "//user:hunter2@")
    fetcher.fetch(url, sink)
    assert server.authorizations[0].startswith("Basic ")
    assert other.authorizations == [""]


# Proxies.


def test_the_hosts_proxy_is_used(server, other, fetcher, sink, monkeypatch):
    monkeypatch.setenv("http_proxy", other.url(""))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    url = "http://files.example/a"
    other.put("/a", b"by proxy")
    other.pages[url] = other.pages["/a"]
    fetcher.fetch(url, sink)
    assert bytes(sink.data) == b"by proxy"
    assert other.gets(url) == [""]


def test_a_proxy_is_not_asked_for_a_private_address(other, report, sink, monkeypatch):
    monkeypatch.setenv("http_proxy", other.url(""))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    other.put("http://files.example/a", location="http://169.254.169.254/latest/meta-data/")
    other.put("http://169.254.169.254/latest/meta-data/", b"secret")
    with closing(Fetcher(report)) as fetcher, pytest.raises(JobError) as caught:
        fetcher.fetch("http://files.example/a", sink)
    assert caught.value.code == "forbidden_address"
    assert [path for _, path, _ in other.seen] == ["http://files.example/a"]


def test_what_needs_no_proxy_uses_none(server, other, fetcher, sink, monkeypatch):
    monkeypatch.setenv("http_proxy", other.url(""))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    fetcher.fetch(server.put("/a", b"direct"), sink)
    assert (bytes(sink.data), other.seen) == (b"direct", [])


# Mirrors.


def test_a_metalink_finds_its_file(server, other, fetcher, sink):
    gone, there = server.url("/gone"), other.put("/a", DATA)
    url = server.put("/a.meta4", metalink(there, gone))
    assert fetcher.look(url).size == len(DATA)
    assert fetcher.fetch(url, sink).sha256 == SHA256.value
    assert bytes(sink.data) == DATA


@pytest.mark.parametrize("gone", [1, 2])
def test_a_metalink_whose_first_places_are_gone(server, other, fetcher, report, sink, gone):
    places = [server.url(f"/gone{number}") for number in range(gone)]
    url = server.put("/a.zim.meta4", metalink(*places, other.put("/copy", DATA)))
    fetcher.look(url)
    assert fetcher.fetch(url, sink).sha256 == SHA256.value
    assert sum("going on elsewhere" in line for line in report.lines) == gone


def test_a_metalink_of_which_every_place_is_gone(server, fetcher, sink):
    url = server.put("/a.zim.meta4", metalink(server.url("/gone"), server.url("/gone, too")))
    fetcher.look(url)
    with pytest.raises(JobError) as caught:
        fetcher.fetch(url, sink)
    assert caught.value.code == "not_found"


def test_a_metalink_whose_first_place_has_another_file(server, other, fetcher, sink):
    url = server.put("/a.zim.meta4", metalink(other.put("/bad", DATA[::-1]), server.put("/good", DATA)))
    fetcher.look(url)
    assert fetcher.fetch(url, sink).sha256 == SHA256.value
    assert bytes(sink.data) == DATA
    assert len(other.gets("/bad")) == len(server.gets("/good")) == 1


def test_a_copy_goes_on_where_the_first_one_broke(server, other, fetcher, sink):
    copy = other.put("/copy", DATA)
    url = server.put(
        "/a",
        DATA,
        cuts=[900_000],
        headers=(("Link", '</a.meta4>; rel=describedby; type="application/metalink4+xml"'),),
    )
    server.put("/a.meta4", metalink(copy))
    fetcher.look(url)
    assert fetcher.fetch(url, sink).size == len(DATA)
    assert bytes(sink.data) == DATA
    span = other.gets("/copy")[0]
    assert 0 < int(span.removeprefix("bytes=").removesuffix("-")) <= 900_000


def test_a_busy_server_is_left_for_its_copy_at_once(server, other, fetcher, sink):
    digest = base64.b64encode(hashlib.sha256(DATA).digest()).decode()
    copy = other.put("/copy", DATA)
    headers = (("Link", f"<{copy}>; rel=duplicate; pri=1"), ("Digest", f"SHA-256={digest}"))
    url = server.put("/a", DATA, headers=headers, statuses=[429, 503], retry_after="3600")
    fetcher.look(url)
    fetcher.fetch(url, sink)
    assert bytes(sink.data) == DATA
    assert len(server.gets("/a")) == 1


def test_a_copy_that_is_another_file_is_found_out(server, other, fetcher, report, sink):
    copy = other.put("/copy", DATA[::-1])
    headers = (("Link", f"<{copy}>; rel=duplicate"),)
    url = server.put("/a", DATA, cuts=[900_000], headers=headers)
    with pytest.raises(JobError):  # nothing proves copies: the digest of the recipe is not known to `look`
        fetcher.fetch(url, Memory(), checksum=Checksum(algo="md5", value="0" * 32))
    digest = base64.b64encode(hashlib.sha256(DATA).digest()).decode()
    server.pages["/a"].cuts = [900_000]
    server.pages["/a"].headers = (*headers, ("Repr-Digest", f"sha-256=:{digest}:"))
    fetcher.look(url)
    assert fetcher.fetch(url, sink).sha256 == SHA256.value
    assert any("the digest is wrong; fetching it again" in line for line in report.lines)
    assert len(other.gets("/copy")) == 1


def test_a_digest_in_a_header_is_held(server, fetcher, sink):
    digest = base64.b64encode(bytes(32)).decode()
    url = server.put("/a", DATA, headers=(("Digest", f"SHA-256={digest}"),))
    fetcher.look(url)
    with pytest.raises(JobError) as caught:
        fetcher.fetch(url, sink)
    assert caught.value.code == "checksum_mismatch"


@pytest.mark.parametrize(
    "page", [b"", b"<html>", metalink(), b"<metalink/>", metalink("http://x/", digest="zz")]
)
def test_a_metalink_that_is_none_is_named(server, fetcher, page):
    with pytest.raises(JobError) as caught:
        fetcher.look(server.put("/a.meta4", page))
    assert caught.value.code == "bad_source"


def test_a_metalink_beside_a_file_may_be_bad(server, fetcher, report, sink):
    link = '</a.meta4>; rel=describedby; type="application/metalink4+xml"'
    url = server.put("/a", DATA, headers=(("Link", link),))
    assert fetcher.look(url).size == len(DATA)
    assert any("its metalink is of no use" in line for line in report.lines)
    fetcher.fetch(url, sink)


def test_a_moved_file_is_resumed_where_it_was_found(server, other, fetcher, sink):
    goal = other.put("/b", DATA, cuts=[900_000])
    url = server.put("/a", location=goal)
    fetcher.fetch(url, sink)
    assert bytes(sink.data) == DATA
    assert len(other.gets("/b")) == 2


# Cancels.


def soon(work, report, ready):
    """How long `work` goes on after a cancel that follows `ready`."""
    asked = []

    def cancel():
        assert ready.wait(30)
        asked.append(time.monotonic())
        report.canceled.set()

    asking = threading.Thread(target=cancel)
    asking.start()
    with pytest.raises(Canceled):
        work()
    asking.join()
    return time.monotonic() - asked[0]


def all_at_once(fetcher, report, *jobs):
    return all_of(jobs, width=4, report=report, cut=fetcher.cut)


def test_a_cancel_does_not_wait_for_a_silent_server(server, fetcher, report):
    urls = [server.put(f"/{n}", DATA, stall_after=n * 1000) for n in range(3)]
    jobs = [lambda url=url: fetcher.fetch(url, Memory()) for url in urls]
    assert soon(lambda: all_at_once(fetcher, report, *jobs), report, server.stalled) < AT_ONCE


def test_a_cancel_does_not_wait_for_a_patient_server(server, report):
    url = server.put("/a", b"1", statuses=[503] * 9, retry_after="3600")
    asked = threading.Event()
    report.log = lambda line: asked.set()
    with closing(Fetcher(report, rules=HERE)) as fetcher:
        assert (
            soon(lambda: all_at_once(fetcher, report, lambda: fetcher.fetch(url, Memory())), report, asked)
            < AT_ONCE
        )


def test_a_cancel_does_not_wait_for_names(report, monkeypatch):
    asked, answer = threading.Event(), threading.Event()

    def ask(*_, **__):
        asked.set()
        answer.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "late")

    monkeypatch.setattr(wire.socket, "getaddrinfo", ask)
    with closing(Fetcher(report)) as fetcher:
        work = lambda: all_at_once(fetcher, report, lambda: fetcher.fetch("http://slow.example/", Memory()))  # noqa: E731
        assert soon(work, report, asked) < AT_ONCE
    answer.set()


def test_a_cancel_does_not_wait_for_a_handshake(report):
    """A server that takes the connection and says nothing of TLS."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        taken = threading.Event()

        def take():
            with closing(listening.accept()[0]) as line:
                line.recv(1)
                taken.set()
                while line.recv(4096):
                    pass

        taking = threading.Thread(target=take)
        taking.start()
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/"
        with closing(Fetcher(report, rules=HERE)) as fetcher:
            assert (
                soon(lambda: all_at_once(fetcher, report, lambda: fetcher.look(url)), report, taken) < AT_ONCE
            )
        taking.join(10)


def test_one_failure_ends_the_other_transfers(server, fetcher, report):
    stalled = server.put("/stalled", DATA, stall_after=10)

    def fail():
        assert server.stalled.wait(30)
        fetcher.fetch(server.url("/missing"), Memory())

    began = time.monotonic()
    with pytest.raises(JobError, match="/missing does not exist"):
        all_at_once(fetcher, report, lambda: fetcher.fetch(stalled, Memory()), fail)
    assert time.monotonic() - began < 30  # not the minute that silence is borne with
    with pytest.raises((Canceled, HostError)):
        fetcher.fetch(stalled, Memory())
