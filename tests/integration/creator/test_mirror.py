"""A mirror that gives no image: who was asked, what each answered, and whose fault it is."""

from __future__ import annotations

import socket
from contextlib import closing
from dataclasses import replace

import pytest

from tests.integration.creator.server import ContentServer
from tests.integration.creator.test_oci import Bytes, Fake, image
from workers.creator.oci.pull import Puller
from workers.errors import HostError, JobError


@pytest.fixture
def origin():
    with closing(ContentServer()) as running:
        yield running


def place(server: ContentServer) -> str:
    return server.url("").removeprefix("http://")


@pytest.fixture
def ident(origin):
    return f"{place(origin)}/o/x:1"


@pytest.fixture
def mirrored(fetcher, origin, server):
    """A puller that asks `server` instead of `origin`."""
    fetcher.rules = replace(fetcher.rules, registry_mirrors=((place(origin), place(server)),))
    return Puller(fetcher)


def refusal(puller, ident, kind):
    with pytest.raises(kind) as caught:
        puller.look(image(ident))
    return caught.value


def test_a_mirror_that_has_it_is_all_that_is_asked(mirrored, server, origin, ident):
    Fake(server)
    sink = Bytes()
    mirrored.pour(image(ident), sink, lambda done: None)
    assert sink.data
    assert origin.seen == []


def test_neither_has_it_so_the_order_is_wrong(mirrored, server, origin, ident):
    error = refusal(mirrored, ident, JobError)
    assert error.code == "not_found"
    mirror, registry = place(server), place(origin)
    assert error.message == (
        f"the mirror {mirror} of {registry} says: there is no container image {ident} (HTTP 404); "
        f"{registry} itself says: there is no container image {ident} (HTTP 404); correct its name or tag"
    )
    assert origin.gets("/v2/o/x/manifests/1")


@pytest.mark.parametrize("status", [401, 403, 404])
def test_only_the_mirror_lacks_it_so_the_host_is_to_blame(mirrored, server, origin, ident, status):
    Fake(origin)
    server.put("/v2/o/x/manifests/1", statuses=[status] * 9)
    error = refusal(mirrored, ident, HostError)
    assert error.code == "mirror_lacks_image"
    assert f"the mirror {place(server)} of {place(origin)} says: " in error.message
    assert f"(HTTP {status})" in error.message
    assert f"{place(origin)} itself has {ident}" in error.message
    assert "registry_mirrors" in error.message


def test_the_registry_refuses_too_so_the_order_is_wrong(mirrored, origin, ident):
    origin.put("/v2/o/x/manifests/1", statuses=[403] * 9)
    error = refusal(mirrored, ident, JobError)
    assert error.code == "forbidden"
    assert "HTTP 404" in error.message
    assert "HTTP 403" in error.message


def test_the_registry_is_out_of_reach_so_nobody_blames_the_order(fetcher, server):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and listens to nobody
        registry = f"127.0.0.1:{taken.getsockname()[1]}"
        fetcher.rules = replace(fetcher.rules, registry_mirrors=((registry, place(server)),))
        error = refusal(Puller(fetcher), f"{registry}/o/x:1", HostError)
    assert error.code == "mirror_lacks_image"
    assert "HTTP 404" in error.message
    assert f"{registry} itself could not be asked" in error.message
    assert "no connection" in error.message


def test_a_registry_that_may_not_be_asked_says_nothing(fetcher, server):
    """The guard keeps private addresses from recipes; that is this host's rule, not the registry's answer."""
    fetcher.rules = replace(fetcher.rules, registry_mirrors=(("10.9.8.7:5000", place(server)),))
    error = refusal(Puller(fetcher), "10.9.8.7:5000/o/x:1", HostError)
    assert error.code == "mirror_lacks_image"
    assert "could not be asked" in error.message


@pytest.mark.parametrize("mirror", ["10.9.8.7:5000", "127.0.0.1:1"], ids=["forbidden", "nobody there"])
def test_a_mirror_that_cannot_be_asked_is_what_failed(fetcher, origin, ident, mirror):
    Fake(origin)
    fetcher.rules = replace(fetcher.rules, registry_mirrors=((place(origin), mirror),))
    error = refusal(Puller(fetcher), ident, HostError)
    assert error.code == "mirror_failed"
    assert f"the mirror {mirror}, asked for {ident} instead of {place(origin)}, failed" in error.message
    assert origin.seen == []


def test_a_mirror_that_serves_something_else_is_to_blame(mirrored, server, origin, ident):
    Fake(origin)
    server.put("/v2/o/x/manifests/1", b"<html>Welcome to nginx</html>")
    assert refusal(mirrored, ident, HostError).code == "mirror_lacks_image"


@pytest.mark.parametrize("what", ["lost", "damaged"])
def test_a_layer_that_the_mirror_lacks_or_spoils(mirrored, server, origin, ident, what):
    Fake(origin)
    fake = Fake(server)
    if what == "lost":
        del server.pages[fake.layer_path]
    else:
        server.put(fake.layer_path, bytes(len(fake.layer)))
    with pytest.raises(HostError) as caught:
        mirrored.pour(image(ident), Bytes(), lambda done: None)
    assert caught.value.code == "mirror_failed"
    assert place(server) in caught.value.message


def test_without_a_mirror_all_is_as_ever(fetcher, ident):
    error = refusal(Puller(fetcher), ident, JobError)
    assert (error.code, "mirror" in error.message) == ("not_found", False)
