"""An ordered hotspot with all its programs, built: recipe of ConfigBuilder, images of a real registry.

Without Internet: the registry is Debian's on loopback, asked as the mirror of ghcr.io; feeds, base image and
content come from a server on loopback, too, and no other name is looked up.
"""

from __future__ import annotations

import hashlib
import io
import json
import socket
import tarfile

import pytest
import yaml

from orders import sizes, software
from orders.catalogue.syncing import look
from orders.models import Content, Media, Order, Source
from orders.services import place
from tests.feeds import app, apps, opds, serving, site
from tests.integration.creator.conftest import demo_base, key, report, server
from tests.integration.creator.oci_registry import Registry, layer_tar
from tests.integration.creator.test_archives_in_images import zip_of
from tests.integration.creator.test_build import unpack
from tests.integration.creator.test_oci import registry
from tests.integration.orders.conftest import RECIPIENT, school
from workers.creator.build import build
from workers.creator.demo_base import BOOT, DATA
from workers.creator.guard import networks_of
from workers.creator.oci.reference import parse
from workers.creator.rules import Rules
from workers.imaging.ext4 import Ext4
from workers.imaging.fat import Fat

__all__ = ["demo_base", "key", "registry", "report", "school", "server"]

MIB = 1 << 20
ZIM = b"ZIM\x04" + bytes(range(256)) * 4096
METALINK = """<?xml version="1.0" encoding="UTF-8"?>
<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="wikipedia.zim"><size>{size}</size>
<hash type="sha-256">{digest}</hash><url priority="1">{url}</url></file></metalink>
"""
LESSONS = zip_of({"index.html": b"<h1>Magoe</h1>", "one/lesson.txt": b"1 + 1 = 2"})


@pytest.fixture
def _offline(monkeypatch):
    """Whoever looks up another name than this machine's fails."""
    really = socket.getaddrinfo

    def here(host, *args, **named):
        assert host in {"127.0.0.1", "localhost", None}, f"{host} was looked up"
        return really(host, *args, **named)

    monkeypatch.setattr(socket, "getaddrinfo", here)


@pytest.fixture
def catalogue(db, server, settings, demo_base):
    """A site and an app, out of feeds; and a base image."""
    settings.HOTSPOT_SOFTWARE = True
    settings.BASE_IMAGE_URL = server.put("/base.img", demo_base.read_bytes())
    settings.BASE_IMAGE_BYTES = demo_base.stat().st_size
    link = METALINK.format(
        size=len(ZIM), digest=hashlib.sha256(ZIM).hexdigest(), url=server.put("/wikipedia.zim", ZIM)
    )
    zim = site(url=server.put("/wikipedia.zim.meta4", link.encode()), length=len(ZIM))
    magoe = app(
        download_url=server.put("/magoe.zip", LESSONS),
        download_size=len(LESSONS),
        download_checksum={"algo": "md5", "value": hashlib.md5(LESSONS, usedforsecurity=False).hexdigest()},
    )
    with serving() as feed:
        for source, body in ((Source.ZIMS, opds(zim)), (Source.APPS, apps(magoe))):
            feed.body = body
            assert not look(source, feed.url).fault
    return list(Content.objects.exclude(source=Source.STAFF).exclude(source=""))


@pytest.fixture
def order(school, catalogue) -> Order:
    """Of a hotspot with both, on a card that just holds its programs."""
    school.configuration.contents.set(catalogue)
    needed = -(-sizes.needed_by(school.configuration, catalogue) // MIB) * MIB
    card = Media.objects.create(name="Small", kind="physical", gigabytes=3, bytes=needed)
    return place(
        school.configuration, by=school.member, kind="physical", media=card, quantity=1, recipient=RECIPIENT
    )[0]


def pushed(registry: Registry, ident: str) -> bytes:
    """Bring an image of that name to the registry; its layer."""
    name = parse(ident)
    layer = layer_tar(**{"which.txt": ident.encode()})
    registry.image(name.repository, name.tag, [(layer, "tar")])
    return layer


def loaded(tar: bytes) -> tuple[list[str], list[bytes]]:
    """Names and layers that `docker load` would find."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as files:

        def read(name: str) -> bytes:
            found = files.extractfile(name)
            assert found is not None
            return found.read()

        [page] = json.loads(read("manifest.json"))
        return page["RepoTags"], [read(name) for name in page["Layers"]]


@pytest.mark.usefixtures("_offline")
def test_an_ordered_hotspot_is_built_with_its_programs(order, registry, server, key, report, tmp_path):
    recipe = yaml.safe_load(order.recipe)
    idents = [image["ident"] for image in recipe["oci_images"]]
    assert {"ghcr.io/offspot/magoe:1.1"} < set(idents)
    assert {parse(ident).registry for ident in idents} == {"ghcr.io"}
    layers = {ident: pushed(registry, ident) for ident in idents}
    rules = Rules(networks=networks_of("127.0.0.0/8"), registry_mirrors=(("ghcr.io", registry.place),))

    build(order.recipe, tmp_path / "out", name="card", signing_key=key, report=report, rules=rules)

    contents = json.loads((tmp_path / "out/card.manifest.json").read_text())["contents"]
    pulled = [each for each in contents if each["to"].startswith("/data/images/")]
    assert {each["source"] for each in pulled} == set(idents)
    image = unpack(tmp_path / "out")
    with Fat(image, BOOT.start) as boot:
        offspot = yaml.safe_load(boot.read("/offspot.yaml"))
    assert offspot == recipe["offspot"]
    wanted = {service["image"] for service in offspot["containers"]["services"].values()}
    with Ext4(image, DATA.start) as data:
        tars = [loaded(data.read(each["to"].removeprefix("/data"))) for each in pulled]
        assert {names[0]: parts for names, parts in tars} == {ident: [layers[ident]] for ident in idents}
        assert wanted <= set(idents), "a service whose image is not there would be pulled by the hotspot"
        [zim] = [file["to"] for file in recipe["files"] if file["to"].endswith(".zim")]
        assert data.read(zim.removeprefix("/data")) == ZIM
        [lessons] = [file["to"] for file in recipe["files"] if file.get("via") == "zip"]
        assert data.read(f"{lessons.removeprefix('/data')}/one/lesson.txt") == b"1 + 1 = 2"
        titles = yaml.safe_load(data.read("/contents/dashboard.yaml"))["packages"]
    assert zim.startswith(software.ZIMS)
    assert {each["title"] for each in titles} == {"Wikipédia médicale", "Magoé Éducation"}
