"""Container images: pulled from Debian's docker-registry, and from a server that misbehaves."""

import gzip
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.integration.creator.oci_registry import (
    LAYER,
    PROGRAM,
    Registry,
    digest,
    layer_tar,
)
from tests.integration.creator.server import Page
from workers.creator.build import build
from workers.creator.cache.door import open_cache
from workers.creator.cache.facts import Kind
from workers.creator.fetch import Fetcher
from workers.creator.guard import networks_of
from workers.creator.oci.pull import Puller
from workers.creator.oci.reference import parse
from workers.creator.plan import list_items
from workers.creator.recipe import Base, OciImage, Recipe
from workers.creator.rules import Rules
from workers.errors import Canceled, HostError, JobError

ONE = layer_tar(one=b"first layer " * 20_000)
TWO = layer_tar(two=b"second layer " * 30_000)


class Bytes:
    """A sink that keeps everything."""

    def __init__(self):
        self.data = bytearray()

    def write(self, data):
        self.data += data

    def rewind(self):
        raise AssertionError("an image's tar never begins again")


def image(ident):
    return OciImage(ident=ident, filesize=1, fullsize=1)


def pull(puller, ident):
    sink = Bytes()
    got = puller.pour(image(ident), sink, lambda done: None)
    assert (got.size, got.sha256) == (len(sink.data), hashlib.sha256(sink.data).hexdigest())
    return bytes(sink.data)


def opened(raw):
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        return {each.name: (tar.extractfile(each).read(), each) for each in tar.getmembers()}


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    if not PROGRAM:
        pytest.skip("docker-registry is missing; apt-get install docker-registry")
    with closing(Registry(tmp_path_factory.mktemp("registry"))) as running:
        yield running


@pytest.fixture
def puller(fetcher, tmp_path):
    return Puller(fetcher, tmp_path)


def test_an_image_of_several_platforms(registry, puller):
    amd = registry.image("o/many", "amd", [(ONE, "gzip")], architecture="amd64", variant="")
    arm = registry.image("o/many", "arm", [(ONE, "gzip"), (TWO, "tar"), (ONE, "gzip")])
    registry.index("o/many", "1.0", [amd, arm])
    ident = f"{registry.place}/o/many:1.0"
    told, raw = puller.look(image(ident)), pull(puller, ident)
    assert (told.size, told.version) == (len(raw), arm["digest"])
    files = opened(raw)
    [page] = json.loads(files["manifest.json"][0])
    assert page["RepoTags"] == [ident]
    assert [
        gzip.decompress(files[name][0]) if n != 1 else files[name][0] for n, name in enumerate(page["Layers"])
    ] == [ONE, TWO, ONE]
    assert json.loads(files[page["Config"]][0])["architecture"] == "arm64"
    assert {(each.mtime, each.uid, each.gid, each.mode) for _, each in files.values()} == {(0, 0, 0, 0o644)}
    assert len(files) == 4


def test_always_the_same_bytes(registry, puller, fetcher):
    registry.image("o/same", "1", [(ONE, "gzip")])
    ident = f"{registry.place}/o/same:1"
    assert pull(puller, ident) == pull(Puller(fetcher), ident)


def test_a_manifest_alone_and_by_digest(registry, puller):
    found = registry.image("o/alone", "1", [(ONE, "tar")], variant="")["digest"]
    raw = pull(puller, f"{registry.place}/o/alone@{found}")
    assert json.loads(opened(raw)["manifest.json"][0])[0]["RepoTags"] == []


def test_zstd_is_unpacked_for_older_dockers(registry, puller):
    registry.image("o/zstd", "1", [(TWO, "zstd"), (ONE, "gzip")])
    ident = f"{registry.place}/o/zstd:1"
    assert puller.look(image(ident)).size is None
    files = opened(pull(puller, ident))
    first = json.loads(files["manifest.json"][0])[0]["Layers"][0]
    assert files[first][0] == TWO


def test_another_tool_takes_the_tar(registry, puller, tmp_path):
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is missing; apt-get install skopeo")
    registry.image("o/tool", "1", [(ONE, "gzip"), (TWO, "tar")])
    (tmp_path / "x.tar").write_bytes(pull(puller, f"{registry.place}/o/tool:1"))
    copy = ["skopeo", "--tmpdir", str(tmp_path), "--insecure-policy", "copy", "-q"]
    out = tmp_path / "out"
    subprocess.run([*copy, f"docker-archive:{tmp_path / 'x.tar'}", f"dir:{out}"], check=True, timeout=120)
    manifest = json.loads((out / "manifest.json").read_text())
    config = json.loads((out / manifest["config"]["digest"].partition(":")[2]).read_text())
    assert config["rootfs"]["diff_ids"] == [digest(ONE), digest(TWO)]


def test_no_such_platform(registry, puller):
    amd = registry.image("o/amd", "only", [(ONE, "tar")], architecture="amd64", variant="")
    registry.index("o/amd", "1", [amd])
    for tag in ("1", "only"):
        with pytest.raises(JobError, match="not there for linux/arm64, only for: linux/amd64") as caught:
            puller.look(image(f"{registry.place}/o/amd:{tag}"))
        assert caught.value.code == "bad_image"


def test_no_such_image(registry, puller):
    with pytest.raises(JobError, match="there is no container image") as caught:
        puller.look(image(f"{registry.place}/o/never:1"))
    assert caught.value.code == "not_found"


def test_layers_that_are_not_what_the_configuration_promises(registry, puller):
    registry.image("o/liar", "1", [(ONE, "gzip")], rootfs={"type": "layers", "diff_ids": [digest(TWO)]})
    with pytest.raises(JobError, match="not what the image's configuration promises"):
        pull(puller, f"{registry.place}/o/liar:1")
    registry.image("o/liar", "2", [(ONE, "gzip")], rootfs={"type": "layers", "diff_ids": []})
    with pytest.raises(JobError, match="does not fit its layers"):
        puller.look(image(f"{registry.place}/o/liar:2"))


def test_a_layer_that_was_damaged_in_the_registry(registry, puller):
    other = layer_tar(damaged=b"d" * 1000)
    registry.image("o/damaged", "1", [(other, "tar")])
    registry.blob_file(digest(other)).write_bytes(b"X" + other[1:])
    with pytest.raises(JobError) as caught:
        pull(puller, f"{registry.place}/o/damaged:1")
    assert caught.value.code == "checksum_mismatch"


class Fake:
    """An image on a server whose pages misbehave as a test says."""

    def __init__(self, server):
        self.server = server
        self.ident = server.url("").removeprefix("http://") + "/o/x:1"
        self.layer = gzip.compress(ONE, mtime=0)
        config = {"os": "linux", "architecture": "arm64", "rootfs": {"diff_ids": [digest(ONE)]}}
        self.config = json.dumps(config).encode()
        self.page = {
            "schemaVersion": 2,
            "config": {"digest": digest(self.config), "size": len(self.config)},
            "layers": [{"mediaType": f"{LAYER}+gzip", "digest": digest(self.layer), "size": len(self.layer)}],
        }
        self.serve()

    def serve(self, **layer):
        self.manifest()
        self.server.put(f"/v2/o/x/blobs/{digest(self.config)}", self.config)
        self.server.put(self.layer_path, layer.pop("data", self.layer), **layer)

    def manifest(self, **changes):
        self.server.put("/v2/o/x/manifests/1", json.dumps({**self.page, **changes}).encode())

    @property
    def layer_path(self):
        return f"/v2/o/x/blobs/{digest(self.layer)}"


@pytest.fixture
def fake(server):
    return Fake(server)


@pytest.mark.parametrize(("ranges", "etag"), [(True, '"v"'), (True, ""), (False, '"v"')])
def test_a_cut_layer_is_gone_on_with(fake, puller, ranges, etag):
    fake.serve(cuts=[200, 100], ranges=ranges, etag=etag)
    assert opened(pull(puller, fake.ident))
    spans = fake.server.gets(fake.layer_path)
    assert len(spans) >= 2
    assert spans[1].startswith("bytes=")


def test_between_the_pieces_of_a_layer_there_is_a_pause(fake, puller, report):
    fake.serve(cuts=[100, 100, 100])
    assert opened(pull(puller, fake.ident))
    assert len([line for line in report.lines if "trying again" in line]) == 3


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_an_image_beyond_the_hosts_limit(registry, report, packing):
    """Of layers that have to be unpacked, only the pull tells."""
    registry.image("o/limit", packing, [(ONE, packing), (TWO, "tar")])
    ident = f"{registry.place}/o/limit:{packing}"
    rules = Rules(networks=networks_of("127.0.0.0/8"), max_file=len(ONE) + len(TWO))
    with closing(Fetcher(report, rules=rules)) as fetcher:
        puller = Puller(fetcher)
        recipe = Recipe(base=Base(source="x"), oci_images=(image(ident),))
        if packing == "gzip":
            rules = Rules(networks=rules.networks, max_file=1000)
            fetcher.rules = rules
            with pytest.raises(JobError, match=r"o/limit:gzip has .* files of up to 1 kB") as caught:
                list_items(recipe, "", fetcher, report, puller)
        else:
            with pytest.raises(JobError, match="the limit; use a smaller one") as caught:
                pull(puller, ident)
    assert caught.value.code == "too_large"


def test_too_busy_for_a_while(fake, puller):
    fake.serve(statuses=[429, 503], retry_after="0")
    assert pull(puller, fake.ident)


def test_always_too_busy(fake, puller):
    fake.server.pages["/v2/o/x/manifests/1"].statuses = [429] * 100
    with pytest.raises(HostError, match="HTTP 429"):
        puller.look(image(fake.ident))


@pytest.mark.parametrize("how", [b"X", b""])
def test_a_wrong_layer(fake, puller, how):
    data = how + fake.layer[1:] if how else fake.layer + b"more"
    fake.serve(data=data)
    with pytest.raises(JobError) as caught:
        pull(puller, fake.ident)
    assert caught.value.code in {"checksum_mismatch", "bad_image"}


@pytest.mark.parametrize("status", [401, 403])
def test_what_is_not_public(fake, puller, status):
    fake.server.pages["/v2/o/x/manifests/1"].statuses = [status]
    with pytest.raises(JobError, match="does not exist or is not public") as caught:
        puller.look(image(fake.ident))
    assert caught.value.code == "forbidden"


def test_a_layer_from_elsewhere(fake, puller, server):
    away = server.put("/cdn/layer", fake.layer)
    server.pages[fake.layer_path] = Page(location=away)
    assert pull(puller, fake.ident)


class Hub(BaseHTTPRequestHandler):
    """A registry that wants a token, and sends those who ask for layers to another server."""

    fake: Fake
    away = ""
    challenge = "Bearer"
    asked: list[str]

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path == "/token":
            self.asked.append(query)
            self.answer(200, b'{"token": "let-me-in"}')
        elif self.headers["Authorization"] != "Bearer let-me-in":
            realm = f"http://{self.headers['Host']}/token"
            self.answer(401, b"", f'{self.challenge} realm="{realm}",service="hub",scope="all"')
        elif "/blobs/" in path and self.away:
            self.answer(307, b"", location=self.away + path)
        else:
            self.answer(200, self.fake.server.pages[path].data)

    def answer(self, status, data, challenge="", location=""):
        self.send_response(status)
        for name, value in (("WWW-Authenticate", challenge), ("Location", location)):
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        """Tests are quiet."""


@pytest.fixture
def hub(fake):
    handler = type("Handler", (Hub,), {"fake": fake, "asked": []})
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    handler.ident = f"127.0.0.1:{httpd.server_port}/o/x:1"
    yield handler
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def test_a_token_is_got_once_and_is_for_nobody_else(hub, fake, puller):
    hub.away = fake.server.url("")
    assert pull(puller, hub.ident)
    assert hub.asked == ["service=hub&scope=repository%3Ao%2Fx%3Apull"]
    assert fake.server.seen  # the layers came from there
    assert not any(fake.server.authorizations)


def test_a_registry_that_wants_a_password(hub, puller):
    hub.challenge = "Basic"
    with pytest.raises(JobError, match="does not exist or is not public"):
        puller.look(image(hub.ident))


def test_cancel(fake, puller, report):
    report.canceled.set()
    with pytest.raises(Canceled):
        pull(puller, fake.ident)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schemaVersion": 1}, "old format"),
        ({"layers": []}, "layers"),
        ({"layers": [{"mediaType": "x/y", "digest": digest(b""), "size": 1}]}, "kind 'x/y'"),
        ({"config": {"digest": "md5:1", "size": 1}}, "config.digest"),
        ({"config": {"digest": digest(b"x"), "size": 1 << 30}}, "is the limit"),
        ({"manifests": [{"digest": digest(b"x"), "size": 1}]}, "only for: none"),
    ],
)
def test_bad_manifests(fake, puller, changes, words):
    fake.manifest(**changes)
    with pytest.raises(JobError) as caught:
        puller.look(image(fake.ident))
    assert caught.value.code == "bad_image"
    assert words in caught.value.message


@pytest.mark.parametrize("page", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_a_page_that_is_no_manifest(fake, puller, page):
    fake.server.put("/v2/o/x/manifests/1", page)
    with pytest.raises(JobError, match="no manifest"):
        puller.look(image(fake.ident))


def test_a_manifest_without_end(fake, puller):
    fake.server.put("/v2/o/x/manifests/1", b" " * (5 << 20))
    with pytest.raises(JobError, match="more than"):
        puller.look(image(fake.ident))


@pytest.mark.parametrize(
    ("ident", "full", "url"),
    [
        ("alpine", "docker.io/library/alpine:latest", "https://registry-1.docker.io/v2/library/alpine"),
        ("kiwix/serve:3.7", "docker.io/kiwix/serve:3.7", "https://registry-1.docker.io/v2/kiwix/serve"),
        ("index.docker.io/library/a:1", "docker.io/library/a:1", "https://registry-1.docker.io/v2/library/a"),
        ("ghcr.io/o/p/x:1.7", "ghcr.io/o/p/x:1.7", "https://ghcr.io/v2/o/p/x"),
        ("localhost:5000/x", "localhost:5000/x:latest", "http://localhost:5000/v2/x"),
        (f"r.io/x:1@{digest(b'')}", f"r.io/x:1@{digest(b'')}", "https://r.io/v2/x"),
    ],
)
def test_names(ident, full, url):
    assert (str(parse(ident)), parse(ident).url) == (full, url)


@pytest.mark.parametrize(
    "ident", ["", "A/b", "a:b c", "r.io/", "a@sha256:1", "a@", "r.io/../x", "a:", "-/x", "r.io:x/y"]
)
def test_names_that_are_none(ident):
    with pytest.raises(JobError, match="names no container image"):
        parse(ident)


def test_a_build_with_an_image_and_a_cache(registry, demo_base, key, server, report, tmp_path):
    """Both are there the second time: nothing is fetched, and the image is the same to the byte."""
    registry.image("o/built", "1", [(ONE, "gzip")])
    ident = f"{registry.place}/o/built:1"
    recipe = {
        "base": {"source": server.put("/base.img", demo_base.read_bytes())},
        "files": [{"to": "/data/one", "url": server.put("/one", b"one" * 50_000)}],
        "oci_images": [{"ident": ident, "filesize": 1, "fullsize": len(ONE)}],
    }
    built = [
        build(
            json.dumps(recipe),
            tmp_path / out,
            name="card",
            signing_key=key,
            report=report,
            allow_local=True,
            cache_dir=tmp_path / "cache",
        )
        for out in ("first", "second")
    ]
    assert built[0] == built[1]
    assert len(server.gets("/one")) == len(server.gets("/base.img")) == 1
    cache = open_cache(tmp_path / "cache", report)
    found = {entry.facts.kind: (entry.facts.uses, in_use) for entry, in_use in cache.entries()}
    assert found == {Kind.BASE: (2, False), Kind.FILE: (2, False), Kind.OCI_IMAGE: (2, False)}
    page = json.loads((tmp_path / "first/card.manifest.json").read_text())
    [tar] = [each for each in page["contents"] if each["to"].startswith("/data/images/")]
    sink = Bytes()
    with closing(Fetcher(report, allow_local=True)) as fetcher:
        assert Puller(fetcher).pour(image(ident), sink, lambda done: None).sha256 == tar["sha256"]
