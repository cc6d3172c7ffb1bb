"""The programs of the hotspot: all that was chosen is in the recipe, and nothing is fetched."""

from __future__ import annotations

import base64
import socket

import pytest
import yaml

from orders import sizes, software
from orders.models import Configuration, Content, Upload
from orders.recipe import recipe
from tests.unit.orders.test_recipe import configuration
from workers.creator.recipe import read_recipe

ZIM = Content(
    ident="openZIM:wikipedia_fr_all:mini",
    kind="zim",
    title="Wikipédia",
    url="https://zim.example/w.zim",
    path="/data/zims/w.zim",
    size=1_000_000,
    sha256="ab" * 32,
)
PRELOAD = Upload(kind="zip", name="cours.zip", size=10, unpacked=8192, sha256="cd" * 32, key="zip-key")
LOGO = Upload(kind="logo", name="l.png", size=500, unpacked=500, sha256="ef" * 32, key="logo-key")


@pytest.fixture(autouse=True)
def _with_software(settings, monkeypatch):
    settings.HOTSPOT_SOFTWARE = True
    settings.PUBLIC_URL = "https://imager.example/"
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_named: pytest.fail("something is fetched"))


def made(**fields) -> dict:
    return yaml.safe_load(recipe(configuration(**fields), [ZIM], size=32_000_000_000))


def whole() -> dict[str, object]:
    return {
        "variant": "Preppers",
        "branding_logo": LOGO,
        "branding_favicon": LOGO,
        "content_metrics": True,
        "option_kiwix_readers": True,
        "preload_zip": PRELOAD,
        "beta_features": ["dashboard-next"],
    }


def test_the_creator_reads_it_all():
    read = read_recipe(recipe(configuration(**whole()), [ZIM], size=32_000_000_000))

    assert read.offspot is not None
    assert {"home", "adminui", "kiwix", "metrics", "reverse-proxy", "home-portal", "hwclock"} <= set(
        read.offspot["containers"]["services"]
    )
    assert len(read.oci_images) == 9


def test_the_same_configuration_is_the_same_recipe():
    assert made(**whole()) == made(**whole())


def test_language_time_zone_edition_and_betas_arrive():
    offspot = made(**whole())["offspot"]

    assert (offspot["language"], offspot["timezone"]) == ("fr", "Africa/Bamako")
    assert (offspot["variant"], offspot["beta_features"]) == ("Preppers", ["dashboard-next"])


def test_the_names_reach_the_programs():
    services = made()["offspot"]["containers"]["services"]

    assert services["home-portal"]["environment"]["HOTSPOT_NAME"] == "École"
    assert services["reverse-proxy"]["environment"]["FQDN"] == "ecole.hotspot"
    assert services["adminui"]["environment"]["ADMIN_PASSWORD"] == "admin-password"


def test_sites_lie_where_kiwix_serve_looks_and_the_dashboard_links_them():
    files = {file["to"]: file for file in made()["files"]}
    site = files[f"{software.ZIMS}/openZIM_wikipedia_fr_all_mini.zim"]

    assert site["checksum"]["value"] == "ab" * 32
    dashboard = yaml.safe_load(files["/data/contents/dashboard.yaml"]["content"])
    assert [each["title"] for each in dashboard["packages"]] == ["Wikipédia"]


def test_readers_are_fetched_and_offered():
    files = {file["to"]: file for file in made(option_kiwix_readers=True)["files"]}

    names = [name for name in files if name.endswith((".apk", ".dmg", ".appimage", "_x64_2.5.1.zip"))]
    assert len(names) == 4
    assert all("size" not in files[name] for name in names)  # their server knows better
    offered = yaml.safe_load(files["/data/contents/dashboard.yaml"]["content"])["readers"]
    assert [each["platform"] for each in offered] == ["windows", "android", "macos", "linux"]
    assert "readers" not in yaml.safe_load(
        next(f for f in made()["files"] if f["to"] == "/data/contents/dashboard.yaml")["content"]
    )


def test_metrics_only_when_asked_for():
    assert "metrics" not in made()["offspot"]["containers"]["services"]
    assert "metrics" in made(content_metrics=True)["offspot"]["containers"]["services"]


def test_logos_and_archive_are_fetched_from_us_and_proved():
    files = {file["to"]: file for file in made(**whole())["files"]}

    for shape in ("horizontal", "square"):
        for shade in ("light", "dark"):
            logo = files[f"/data/contents/branding/{shape}-logo-{shade}.png"]
            assert logo["url"] == "https://imager.example/u/logo-key/"
            assert (logo["size"], logo["checksum"]["value"]) == (500, "ef" * 32)
    archive = files["/data/contents/file-manager.offspot.kiwix.org"]
    assert (archive["url"], archive["via"]) == ("https://imager.example/u/zip-key/", "zip")


def test_without_logos_the_hotspots_own_are_there():
    files = {file["to"]: file for file in made()["files"]}

    for shape in ("horizontal", "square"):
        logo = files[f"/data/contents/branding/{shape}-logo-light.png"]
        assert base64.b64decode(logo["content"]).startswith(b"\x89PNG")


def test_an_archive_elsewhere_is_fetched_from_there():
    files = {file["to"]: file for file in made(preload_url="https://a.example/x.zip")["files"]}

    assert files[software.PRELOAD] == {
        "url": "https://a.example/x.zip", "to": software.PRELOAD, "via": "zip",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "at_least"),
    [
        ({"content_metrics": True}, 300_000_000),
        ({"option_kiwix_readers": True}, 4 * 250 * 1024 * 1024),
        ({"preload_zip": PRELOAD}, 8192),
        ({"preload_url": "https://a.example/x.zip", "preload_bytes": 70_000_000}, 70_000_000),
        ({"branding_logo": LOGO}, 2 * 500),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_everything_counts(fields, at_least):
    plain = sizes.needed_by(Configuration(), [ZIM])

    assert sizes.needed_by(Configuration(**fields), [ZIM]) >= plain + at_least


def test_the_programs_count():
    assert sizes.needed_by(Configuration(), []) > 40 * 1024 * 1024 + 1_400_000_000
