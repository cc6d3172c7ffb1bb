"""Downloads against a real server that cuts, lies, stalls and refuses."""

import hashlib
import os
import random
import socket
from contextlib import closing

import pytest

from workers.backoff import Backoff
from workers.creator.fetch import Fetcher
from workers.creator.recipe import Checksum
from workers.errors import Canceled, HostError, JobError

DATA = random.Random(1).randbytes(3_000_000)
SHA = hashlib.sha256(DATA).hexdigest()


class Memory:
    """A sink that remembers, also how often it was rewound."""

    def __init__(self):
        self.data, self.rewinds = bytearray(), 0

    def write(self, data):
        self.data += data

    def rewind(self):
        self.data.clear()
        self.rewinds += 1


@pytest.fixture
def sink():
    return Memory()


def sha(data, algo="sha-256"):
    return Checksum(algo=algo, value=hashlib.new(algo.replace("-", ""), data).hexdigest())


def test_a_plain_download(server, fetcher, report, sink):
    url = server.put("/a.zim", DATA)
    assert fetcher.size(url) == len(DATA)
    got = fetcher.fetch(url, sink, size=len(DATA), checksum=sha(DATA))
    assert (got.size, got.sha256, bytes(sink.data)) == (len(DATA), SHA, DATA)
    assert report.done == len(DATA)


def test_a_cut_download_goes_on_where_it_was(server, fetcher, report, sink):
    url = server.put("/a.zim", DATA, cuts=[1_000_000, 500_000])
    assert fetcher.fetch(url, sink, size=len(DATA), checksum=sha(DATA, "md5")).sha256 == SHA
    assert bytes(sink.data) == DATA
    assert sink.rewinds == 0
    first, second, third = server.gets("/a.zim")
    assert first == ""
    assert 0 < int(second.removeprefix("bytes=").removesuffix("-")) <= 1_000_000
    assert int(third.removeprefix("bytes=").removesuffix("-")) <= 1_500_000
    assert any("trying again" in line for line in report.lines)


def test_a_server_without_ranges_is_read_from_the_start_again(server, fetcher, sink):
    url = server.put("/a.zim", DATA, cuts=[1_000_000], ranges=False)
    assert fetcher.fetch(url, sink, checksum=sha(DATA)).sha256 == SHA
    assert bytes(sink.data) == DATA
    assert sink.rewinds == 1


def test_a_file_that_changes_meanwhile_is_never_mixed(server, fetcher, sink):
    new = DATA[::-1]
    url = server.put("/a.zim", DATA, cuts=[1_000_000], after_cut=new)
    assert fetcher.fetch(url, sink, checksum=sha(new)).sha256 == hashlib.sha256(new).hexdigest()
    assert bytes(sink.data) == new


def test_two_transfers_of_one_address_know_only_their_own_version(server, fetcher):
    """The second one begins when the file has changed; the first one, cut, must not go on with that."""
    new, second = DATA[::-1], Memory()

    class Meanwhile(Memory):
        def write(self, data):
            if not self.data and not self.rewinds:
                server.put("/a.zim", new, etag='"v2"')
                fetcher.fetch(url, second)
            super().write(data)

    url, first = server.put("/a.zim", DATA, cuts=[1_500_000]), Meanwhile()
    fetcher.fetch(url, first)
    assert bytes(second.data) == new
    assert bytes(first.data) == new
    assert first.rewinds == 1


def test_without_versions_a_cut_download_begins_anew(server, fetcher, sink):
    """Else the rest could be of another file, and without a checksum nobody would notice."""
    url = server.put("/a.zim", DATA, cuts=[1_000_000], etag="", after_cut=DATA[::-1])
    server.pages["/a.zim"].etag_after_cut = ""
    assert fetcher.fetch(url, sink).size == len(DATA)
    assert bytes(sink.data) == DATA[::-1]
    assert server.gets("/a.zim") == ["", ""]


def test_a_file_that_shrank_on_the_server_begins_anew(server, fetcher, sink):
    url = server.put("/a.zim", DATA, cuts=[1_000_000], after_cut=b"short")
    server.pages["/a.zim"].etag_after_cut = '"v1"'  # a server that lies about versions
    assert fetcher.fetch(url, sink).size == 5
    assert bytes(sink.data) == b"short"


def test_a_flaky_server_without_ranges_is_given_up(server, fetcher, sink):
    url = server.put("/a.zim", DATA, cuts=[900_000, 1_000_000] * 50, ranges=False)
    with pytest.raises(HostError, match="in 8 tries"):
        fetcher.fetch(url, sink)
    assert len(server.gets("/a.zim")) < 20


def test_an_end_without_a_length_is_noticed_by_the_announced_size(server, fetcher, sink):
    url = server.put("/a.zim", DATA, cuts=[1_000_000], length=False)
    assert fetcher.fetch(url, sink, size=len(DATA)).sha256 == SHA


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_passing_troubles_pass(server, fetcher, sink, status):
    url = server.put("/a", b"content", statuses=[status, status])
    fetcher.fetch(url, sink)
    assert bytes(sink.data) == b"content"


def test_the_server_may_ask_for_patience(server, fetcher, sink):
    url = server.put("/a", b"content", statuses=[503], retry_after="0")
    fetcher.fetch(url, sink)
    assert bytes(sink.data) == b"content"


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, "not_found"), (410, "not_found"), (401, "forbidden"), (403, "forbidden"), (400, "bad_source")],
)
def test_lasting_troubles_are_the_jobs(server, fetcher, sink, status, code):
    url = server.put("/a", b"content", statuses=[status] * 9)
    with pytest.raises(JobError, match=f"HTTP {status}") as caught:
        fetcher.fetch(url, sink)
    assert caught.value.code == code
    assert len(server.gets("/a")) == 1


def test_a_server_that_stays_broken_is_the_hosts_trouble(server, fetcher, sink):
    url = server.put("/a", b"content", statuses=[500] * 50)
    with pytest.raises(HostError, match=r"in 8 tries: the server answered HTTP 500") as caught:
        fetcher.fetch(url, sink)
    assert caught.value.code == "download_failed"
    assert len(server.gets("/a")) == 8


def test_every_new_byte_renews_the_patience(server, fetcher, sink):
    url = server.put("/a", DATA, cuts=[100_000] * 20)
    assert fetcher.fetch(url, sink, checksum=sha(DATA)).sha256 == SHA


def test_nobody_there(fetcher, sink):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(HostError, match="no connection"):
        fetcher.fetch(f"http://127.0.0.1:{port}/a", sink)


def test_a_wrong_checksum_names_both(server, fetcher, sink):
    url = server.put("/a", DATA)
    with pytest.raises(JobError) as caught:
        fetcher.fetch(url, sink, checksum=sha(b"other"))
    assert caught.value.code == "checksum_mismatch"
    assert SHA in caught.value.message
    assert sha(b"other").value in caught.value.message


def test_less_than_announced_is_named(server, fetcher, sink):
    url = server.put("/a", b"12345")
    with pytest.raises(JobError, match=r"/a has 5 bytes, 6 were announced") as caught:
        fetcher.fetch(url, sink, size=6)
    assert caught.value.code == "size_mismatch"
    assert len(server.gets("/a")) == 1


def test_more_than_announced_is_stopped_by_name(server, fetcher, sink):
    url = server.put("/a.zim", DATA)
    with pytest.raises(JobError, match=r"/a\.zim has more than the announced 1500000 bytes") as caught:
        fetcher.fetch(url, sink, size=1_500_000)
    assert caught.value.code == "size_mismatch"
    assert len(sink.data) <= 1_500_000


def test_the_digest_may_be_a_page(server, fetcher, sink):
    url = server.put("/a", DATA)
    page = server.put("/a.sha256", f"{SHA}  a.zim\n".encode())
    checksum = Checksum(algo="sha-256", kind="url", value=page)
    assert fetcher.fetch(url, sink, checksum=checksum).sha256 == SHA
    server.put("/a.sha256", b"0" * 64)
    with pytest.raises(JobError) as caught:
        fetcher.fetch(url, Memory(), checksum=checksum)
    assert caught.value.code == "checksum_mismatch"


@pytest.mark.parametrize("where", ["http://[::1/x", "ftp://x/y", "/etc/passwd", "file:///etc/passwd"])
def test_a_malformed_digest_page_is_refused(server, fetcher, sink, where):
    with pytest.raises(JobError, match="address") as caught:
        fetcher.fetch(server.put("/a", b"1"), sink, checksum=Checksum(algo="md5", kind="url", value=where))
    assert caught.value.code == "bad_source"


@pytest.mark.parametrize("page", [b"", b"<html>sorry</html>", b"abc", b"\xff" * 100_000])
def test_a_page_that_is_no_digest_is_refused(server, fetcher, sink, page):
    where = server.put("/a.md5", page)
    with pytest.raises(JobError, match="does not begin with a digest") as caught:
        fetcher.fetch(server.put("/a", b"1"), sink, checksum=Checksum(algo="md5", kind="url", value=where))
    assert caught.value.code == "bad_checksum"


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1])
def test_sizes_at_the_edges(server, fetcher, sink, size):
    url = server.put("/a", DATA[:size])
    assert fetcher.size(url) == size
    assert fetcher.fetch(url, sink, size=size).size == size
    assert bytes(sink.data) == DATA[:size]


def test_sizes_of_servers_that_know_no_head(server, fetcher):
    assert fetcher.size(server.put("/a", DATA, head=False)) == len(DATA)
    assert fetcher.size(server.put("/b", DATA, head=False, ranges=False)) == len(DATA)
    assert fetcher.size(server.put("/c", b"", head=False)) == 0
    assert fetcher.size(server.put("/d", DATA, length=False)) is None
    with pytest.raises(JobError) as caught:
        fetcher.size(server.url("/nothing"))
    assert caught.value.code == "not_found"


def test_redirects_are_followed_but_not_in_circles(server, fetcher, sink):
    there = server.put("/there", b"content")
    assert fetcher.fetch(server.put("/here", location=there), sink).size == 7
    with pytest.raises(JobError, match="circles"):
        fetcher.fetch(server.put("/round", location=server.url("/round")), sink)


def test_a_redirect_to_a_file_of_this_host_is_refused(server, fetcher, sink):
    url = server.put("/trap", location="file:///etc/passwd")
    with pytest.raises(JobError) as caught:
        fetcher.fetch(url, sink)
    assert caught.value.code == "bad_source"
    assert not sink.data


@pytest.mark.parametrize(
    "source",
    [
        "/etc/passwd",
        "file:///etc/passwd",
        "relative",
        "ftp://x/y",
        "http://",
        "s3://bucket/x",
        "//host/x",
        "http://[::1/x",
    ],
)
def test_only_http_unless_local_is_allowed(fetcher, sink, source):
    with pytest.raises(JobError) as caught:
        fetcher.fetch(source, sink)
    assert caught.value.code == "bad_source"


def test_local_paths_where_they_are_allowed(report, sink, tmp_path):
    (tmp_path / "a b.zim").write_bytes(DATA)
    with closing(Fetcher(report, allow_local=True)) as fetcher:
        for source in (str(tmp_path / "a b.zim"), f"file://{tmp_path}/a%20b.zim"):
            assert fetcher.size(source) == len(DATA)
            assert fetcher.fetch(source, sink, checksum=sha(DATA)).sha256 == SHA
        for source in (str(tmp_path / "nothing"), str(tmp_path)):
            with pytest.raises(JobError, match="no file") as caught:
                fetcher.size(source)
            assert caught.value.code == "not_found"
            with pytest.raises(JobError, match="no file"):
                fetcher.fetch(source, sink)
        with pytest.raises(JobError) as caught:
            fetcher.size("ftp://x/y")
        assert caught.value.code == "bad_source"


class CopySink:
    """Takes open files by itself; what it is asked to do meanwhile is `meanwhile`."""

    def __init__(self, size, meanwhile=lambda: None):
        self.size, self.meanwhile, self.data, self.pieces = size, meanwhile, bytearray(), 0

    def write(self, data):
        self.data += data
        self.pieces += 1

    def rewind(self):
        self.data.clear()

    def shares(self, fd):
        return False

    def copy_from(self, fd, *, sees, tell):
        for at in range(0, self.size, 1000):
            piece = os.pread(fd, min(1000, self.size - at), at)
            sees(memoryview(piece))
            self.data += piece
            tell(len(self.data))
        self.meanwhile()


@pytest.mark.parametrize("algo", ["sha-256", "md5"])
def test_a_sink_may_take_a_file_by_itself(report, tmp_path, algo):
    place, sink = tmp_path / "a", CopySink(len(DATA))
    place.write_bytes(DATA)
    with closing(Fetcher(report, allow_local=True)) as fetcher:
        got = fetcher.fetch(str(place), sink, size=len(DATA), checksum=sha(DATA, algo))
        assert (got.size, got.sha256, bytes(sink.data), sink.pieces) == (len(DATA), SHA, DATA, 0)
        assert report.done == len(DATA)
        with pytest.raises(JobError) as caught:
            fetcher.fetch(str(place), CopySink(len(DATA)), checksum=sha(DATA[1:], algo))
        assert caught.value.code == "checksum_mismatch"
        report.canceled.set()
        with pytest.raises(Canceled):
            fetcher.read(place, CopySink(len(DATA)))


@pytest.mark.parametrize("length", [len(DATA) - 1, len(DATA) + 1])
def test_a_file_that_is_not_as_long_as_announced_is_named(report, tmp_path, length):
    place = tmp_path / "a"
    place.write_bytes(DATA)
    with closing(Fetcher(report, allow_local=True)) as fetcher, pytest.raises(JobError) as caught:
        fetcher.read(place, CopySink(length), size=length)
    assert caught.value.code == "size_mismatch"
    assert str(length) in caught.value.message


def test_a_file_that_is_too_long_is_not_even_begun(report, tmp_path):
    place, sink = tmp_path / "a", CopySink(len(DATA))
    place.write_bytes(DATA)
    with closing(Fetcher(report, allow_local=True)) as fetcher, pytest.raises(JobError) as caught:
        fetcher.read(place, sink, size=len(DATA) - 1)
    assert (caught.value.code, bytes(sink.data)) == ("size_mismatch", b"")


def test_a_file_that_grows_while_it_is_copied_is_found_out(report, tmp_path):
    place = tmp_path / "a"
    place.write_bytes(DATA)
    sink = CopySink(len(DATA), lambda: place.write_bytes(DATA + b"more"))
    with closing(Fetcher(report, allow_local=True)) as fetcher, pytest.raises(JobError) as caught:
        fetcher.read(place, sink, size=len(DATA))
    assert caught.value.code == "size_mismatch"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_local_file_that_may_not_be_read(report, sink, tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "a").chmod(0)
    with closing(Fetcher(report, allow_local=True)) as fetcher, pytest.raises(JobError) as caught:
        fetcher.fetch(str(tmp_path / "a"), sink)
    assert caught.value.code == "forbidden"


def test_credentials_are_used_but_never_told(server, fetcher, report, sink):
    url = server.put("/a?token=hunter3", DATA, cuts=[1000]).replace("//", "//user:hunter2@")
    fetcher.fetch(url, sink)
    assert server.authorizations[0].startswith("Basic ")
    with pytest.raises(JobError) as missing:
        fetcher.fetch(url.replace("/a?", "/b?"), sink)
    with pytest.raises(JobError) as wrong:
        fetcher.fetch(url, sink, checksum=sha(b"x"))
    told = " ".join([missing.value.message, wrong.value.message, *report.lines])
    assert "127.0.0.1" in told
    assert "hunter" not in told


def test_a_cancel_ends_the_transfer(server, fetcher, report, sink):
    url = server.put("/a", DATA)
    report.canceled.set()
    with pytest.raises(Canceled):
        fetcher.fetch(url, sink)
    assert len(sink.data) < len(DATA)


def test_a_cancel_ends_the_waiting(server, report, sink):
    url = server.put("/a", b"1", statuses=[503] * 9)
    report.canceled.set()
    patient = Fetcher(report, allow_local=True, backoff=Backoff(first=3600, most=3600))
    with closing(patient) as fetcher, pytest.raises(Canceled):
        fetcher.fetch(url, sink)
