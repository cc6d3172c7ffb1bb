"""What the orders room writes, the creator reads: the recipe's two sides together."""

from __future__ import annotations

import pytest

from orders.models import Configuration, Content
from orders.recipe import recipe
from orders.validators import card_path
from workers.creator.recipe import read_recipe
from workers.errors import JobError


@pytest.mark.parametrize("wifi_password", ["", "bonjour: le 'monde' #1"])
@pytest.mark.parametrize("digest", ["", "ab" * 32])
def test_the_creator_reads_what_the_orders_write(settings, wifi_password, digest):
    settings.BASE_IMAGE_SHA256 = digest
    configuration = Configuration(
        ssid="École: n° 1",
        domain="ecole",
        wifi_password=wifi_password,
        admin_password="secret-1",
        language="fr",
    )
    contents = [
        Content(url="https://zim.example/a.zim", path="/data/zims/a b: c.zim", size=10, sha256=digest),
        Content(url="https://zim.example/b.txt", path="/data/b.txt", size=0),
    ]

    read = read_recipe(recipe(configuration, contents, size=7_760_000_000))

    assert read.base.location == settings.BASE_IMAGE_URL
    assert read.base.rootfs_size == settings.BASE_IMAGE_BYTES
    assert (read.base.checksum is not None) == bool(digest)
    assert read.output.size == 7_760_000_000
    assert [(file.to, file.size) for file in read.files] == [
        ("/data/zims/a b: c.zim", 10),
        ("/data/b.txt", None),
    ]
    assert read.offspot is not None
    assert read.offspot["ap"].get("passphrase", "") == wifi_password


@pytest.mark.parametrize(
    "path",
    [
        "/data",
        "/data/",
        "/etc/x",
        "/data/../x",
        "/data/./x",
        "/data//x",
        "/data/a\nb",
        "/data/lost+found",
        "data/x",
        "/data/" + "x" * 256,
        "/database/x",
        "",
        "/data/x/",
    ],
)
def test_what_the_creator_refuses_the_catalogue_refuses_too(path):
    from django.core.exceptions import ValidationError

    text = recipe(Configuration(), [Content(url="https://x/y", path=path, size=1)], size=10**9)
    with pytest.raises(JobError):
        read_recipe(text)
    with pytest.raises(ValidationError):
        card_path(path)
