"""The offspot app catalogue: the real one, and what may be wrong with it."""

from __future__ import annotations

import json
from importlib import resources

import pytest

from orders.models import Configuration, Content, Source
from orders.recipe import recipe
from tests.feeds import app, apps, files, opds, site
from workers.creator.recipe import read_recipe

REAL = resources.files("offspot_config").joinpath("catalog.json").read_bytes()


def test_the_real_catalogue_is_taken_whole_and_creators_understand_all_of_it(look_at, settings):
    looked = look_at(REAL, Source.APPS)

    assert (looked.fault, looked.taken.bad) == ("", [])
    assert Content.objects.count() == len(json.loads(REAL))
    contents = list(Content.objects.order_by("path"))
    told = read_recipe(recipe(Configuration(), contents, size=64 * 10**9))
    assert len(told.files) == sum(bool(content.url) for content in contents)
    assert len(told.oci_images) == sum(content.kind == "app" for content in contents)


def test_an_app_brings_its_image_and_its_files(look_at):
    bare = app("plain.example", download_url=None, download_size=None)
    look_at(apps(app(), files(target="nomad"), bare), Source.APPS)
    by_ident = Content.objects.in_bulk(field_name="ident")

    magoe = by_ident["magoe.offspot.kiwix.org"]
    assert (magoe.kind, magoe.version, magoe.languages) == ("app", "1.1", ["fra"])
    assert magoe.size == 49_295_360 + 49_252_894 + 295_323_137
    assert magoe.path == "/data/contents/magoe.offspot.kiwix.org"
    nomad = by_ident["nomad.offspot.kiwix.org"]
    assert (nomad.kind, nomad.path) == ("files", "/data/contents/files/nomad")
    plain = by_ident["plain.example"]
    assert (plain.url, plain.path) == ("", "")
    told = read_recipe(recipe(Configuration(), list(by_ident.values()), size=64 * 10**9))
    assert {file.to: (file.via, file.checksum and file.checksum.value) for file in told.files} == {
        "/data/contents/magoe.offspot.kiwix.org": ("zip", "0ec2d9b9c2f61eb22247ceb935124923"),
        "/data/contents/files/nomad": ("zip", None),
    }
    assert [image.ident for image in told.oci_images] == [
        "ghcr.io/offspot/magoe:1.1"
    ]  # once, though two use it


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("text", "no identifier"),
        ({"kind": "app"}, "no identifier"),
        (app(kind="zim"), "neither app nor files"),
        (app(domain=None), "does not tell its domain"),
        (files(description=None), "does not tell its description"),
        (app(image=None), "without a container image"),
        (app(image="--privileged"), "without a container image"),
        (app(image_fullsize=0), "does not tell image_filesize"),
        (app(image_filesize="many"), "no size in bytes"),
        (app(title=["a"]), "its title is no text"),
        (app(title=""), "it has no title"),
        (app(title="a\u0000b"), "NUL"),
        (app(title="a\ud800b"), "cannot be stored"),
        (app(environ={"A": "\u0000"}), "NUL"),
        (app(environ={"A": float("nan")}), "cannot be stored"),
        (app(languages="fra"), "no list of texts"),
        (app(download_via="rar"), "packed as 'rar'"),
        (app(download_to="../../etc"), "A path below /data"),
        (app(download_checksum={"algo": "md5", "value": "short"}), "download_checksum"),
        (app(download_checksum="abc"), "download_checksum"),
        (files(download_url=None), "no address"),
        (files(download_url="file:///etc/passwd"), "https://"),
    ],
)
def test_bad_apps_are_named_and_the_others_taken(look_at, entry, reason):
    looked = look_at(apps(entry, files()), Source.APPS)

    assert looked.fault == ""
    assert [reason in one.reason for one in looked.taken.bad] == [True]
    assert Content.objects.get().ident == "nomad.offspot.kiwix.org"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"[" * 100_000, REAL[: len(REAL) // 2]],
    ids=["", "none", "dict", "deep", "cut"],
)
def test_what_is_no_catalogue_changes_nothing(look_at, body):
    look_at(REAL, Source.APPS)
    before = Content.objects.available().count()

    assert look_at(body, Source.APPS).fault
    assert Content.objects.available().count() == before


def test_feeds_leave_each_other_alone(look_at):
    look_at(opds(site()))
    look_at(apps(files()), Source.APPS)

    assert Content.objects.available().count() == 2


def test_what_the_database_refuses_changes_nothing(look_at):
    look_at(apps(files("a", target="one"), files("b", target="two")), Source.APPS)
    looked = look_at(apps(files("a", target="two"), files("b", target="one")), Source.APPS)

    assert "the database refuses it" in looked.fault
    assert Content.objects.get(ident="a").path.endswith("/one")


def test_an_entry_that_was_renamed_keeps_its_place(look_at):
    look_at(apps(files("old.example", target="nomad")), Source.APPS)
    looked = look_at(apps(files("new.example", target="nomad")), Source.APPS)

    assert looked.fault == ""
    assert Content.objects.available().get().ident == "new.example"
