"""The settings of a creator: each source, each refusal; and what counts as a secret of a recipe."""

from __future__ import annotations

import base64
import html
import ipaddress
import json
import re
import shlex
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
import yaml

from workers.config import ConfigError, load
from workers.contract import Step
from workers.creator.outside.build import require_backend
from workers.creator.outside.listener import Gauge, Listener
from workers.creator.outside.secrets import secrets_of, secrets_of_address
from workers.creator.recipe import read_recipe
from workers.creator.settings import Backend, settings_of
from workers.errors import HostError
from workers.logs import Scrubber
from workers.report import Recorder

HOST = 'url = "https://imager.example"\nhost = "c1"\nemail = "c1@example.org"\npassword = "hunter2-long"\n'


def config(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "host.toml"
    path.write_text(HOST + text)
    path.chmod(0o600)
    return path


def test_unless_told_otherwise() -> None:
    settings = settings_of({}, {})
    assert (settings.backend, settings.image_creator, settings.max_image) == (
        Backend.BUILTIN,
        "image-creator",
        1 << 40,
    )
    assert settings.rules.networks == ()


def test_the_file_of_the_host(tmp_path) -> None:
    text = (
        '[creator]\nbackend = "image-creator"\nimage_creator = "/opt/ic"\nmax_image = "64 GB"\n'
        'allow_networks = ["10.0.0.0/8", "fd00::/8"]\nparallel = 2\nmax_file = 1000\n'
        'base_mirror = "https://mirror.example/bases"\n'
    )
    settings = settings_of(load(config(tmp_path, text), {}).creator, {})
    assert (settings.backend, settings.image_creator) == (Backend.IMAGE_CREATOR, "/opt/ic")
    assert settings.max_image == 64 * 10**9
    rules = settings.rules
    assert rules.networks == (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))
    assert (rules.parallel, rules.max_file) == (2, 1000)
    assert rules.base_mirror == "https://mirror.example/bases/"


def test_the_environment_goes_before_the_file() -> None:
    table = {"backend": "image-creator", "max_image": 5, "allow_networks": "10.0.0.0/8"}
    environ = {
        "CREATOR_BACKEND": "builtin",
        "IMAGER_MAX_IMAGE": "7GB",
        "IMAGER_IMAGE_CREATOR": "/ic",
        "IMAGER_ALLOW_NETWORKS": "192.168.0.0/16",
    }
    settings = settings_of(table, environ)
    assert (settings.backend, settings.max_image, settings.image_creator) == (
        Backend.BUILTIN,
        7 * 10**9,
        "/ic",
    )
    assert settings.rules.networks == (ipaddress.ip_network("192.168.0.0/16"),)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"backend": "magic"}, "'magic'; it must be builtin or image-creator"),
        ({"backend": 3}, "backend .* is 3"),
        ({"backend": ["builtin"]}, "backend"),
        ({"image_creator": ""}, "image_creator"),
        ({"image_creator": "--help"}, "image_creator"),
        ({"max_image": "lots"}, "'lots' is not a size"),
        ({"max_image": 0}, "above 0"),
        ({"bakcend": "builtin"}, "unknown settings in .creator.: bakcend; known are allow_networks, backend"),
        ({"parallel": 0}, "parallel"),
        ({"allow_networks": "10.0.0.0/99"}, "allow_networks"),
    ],
)
def test_what_cannot_be_used_is_named(table, words) -> None:
    with pytest.raises(HostError, match=words) as caught:
        settings_of(table, {})
    assert caught.value.code == "bad_config"


def test_creator_is_a_table(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"write \[creator\] above"):
        load(config(tmp_path, 'creator = "builtin"\n'), {})


def test_a_worker_does_not_begin_without_its_builder(monkeypatch) -> None:
    monkeypatch.delenv("CREATOR_BACKEND", raising=False)
    require_backend({"backend": "builtin"})
    with pytest.raises(HostError, match="no program /no/such"):
        require_backend({"backend": "image-creator", "image_creator": "/no/such"})
    with pytest.raises(HostError, match="magic"):
        require_backend({"backend": "magic"})


def test_secrets_of_a_recipe() -> None:
    recipe = read_recipe(
        """
base: {source: "https://me:base-word@example.org/base.img"}
files:
  - {to: /data/x, url: "https://example.org/x"}
offspot:
  timezone: Africa/Bamako
  ap: {ssid: Kiwix, passphrase: wifi-word}
  containers:
    services:
      proxy:
        environment:
          PROTECTED_SERVICES: "edit:admin:panel-word"
          FQDN: school.hotspot
      files:
        environment: ["ADMIN_PASSWORD=list-word", "NAME=school"]
"""
    )
    found = secrets_of(recipe)
    assert {"base-word", "wifi-word", "panel-word", "list-word", "edit:admin:panel-word"} <= found
    assert not found & {"Africa/Bamako", "Kiwix", "school.hotspot", "school", "admin", "edit"}


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("http://a:b%40c@h/", ["b@c", "a:b@c"]),
        ("http://h/?token=t-1&file=big.zim&X-Amz-Signature=s-1", ["t-1", "s-1"]),
        ("http://h/", []),
        ("http://[", []),
        ("PROTECTED=a:b@c", []),
    ],
)
def test_secrets_of_addresses(url, secrets) -> None:
    assert list(secrets_of_address(url)) == secrets


SECRET = "p@ss w\u00f6rd/\"'&<x>"
WAYS = {
    "as it is": SECRET,
    "in an address": quote(SECRET, safe=""),
    "in an address, small": re.sub("%..", lambda found: found[0].lower(), quote(SECRET, safe="")),
    "in a path": quote(SECRET),
    "in a form": urlencode({"p": SECRET}),
    "in JSON": json.dumps({"p": SECRET}),
    "in JSON, as text": json.dumps({"p": SECRET}, ensure_ascii=False),
    "in YAML": yaml.safe_dump({"p": SECRET}, width=1000, allow_unicode=True),
    "in HTML": html.escape(SECRET),
    "in a shell": shlex.quote(SECRET),
    "in Python": repr({"p": SECRET}),
    "in base64": base64.b64encode(SECRET.encode()).decode(),
    "in base64 for addresses": base64.urlsafe_b64encode(SECRET.encode()).decode(),
    "in hex": SECRET.encode().hex(),
    "as a header": base64.b64encode(f"me:{SECRET}".encode()).decode(),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_builder_may_write_secrets_as_it_likes(way) -> None:
    page = {
        "base": {"source": f"https://me:{quote(SECRET, safe='')}@example.org/base.img"},
        "offspot": {"ap": {"passphrase": SECRET}},
    }
    scrub = Scrubber(secrets_of(read_recipe(yaml.safe_dump(page))))
    said = scrub(f"its line: {WAYS[way]} ends")
    assert said.startswith("its line: ")
    assert said.endswith(" ends")
    assert "[secret]" in said
    assert not any(part in said.lower() for part in ("p@ss", "p%40ss", "rd/", "rd%2f", "cebz"))


class TestListener:
    def test_phases_and_percents(self, tmp_path) -> None:
        report = Recorder()
        listener = Listener(str, report)
        gauge = Gauge(listener, tmp_path / "card.img", tmp_path, 1 << 30, report)
        for line in (
            b"Checking URLs",
            b"Downloading content",
            b" 12.5% of x.zim",
            b"\x1b[32mResizing image\x1b[0m",
        ):
            listener.take(line)
            gauge.tick()
        assert report.steps == [Step.CHECKING, Step.FETCHING, Step.FETCHING, Step.BUILDING]
        assert report.lines == ["Checking URLs", "Downloading content", "12.5% of x.zim", "Resizing image"]

    def test_percent_is_progress(self, tmp_path) -> None:
        report = Recorder()
        listener = Listener(str, report)
        listener.take(b"45% done")
        listener.take(b"200% is no progress")
        Gauge(listener, tmp_path / "card.img", tmp_path, 1, report).tick()
        assert (report.done, report.total) == (45, 100)

    def test_a_silent_builder_moves_by_what_it_writes(self, tmp_path) -> None:
        report = Recorder()
        (tmp_path / "part").write_bytes(b"x" * 100_000)
        Gauge(Listener(str, report), tmp_path / "card.img", tmp_path, 1, report).tick()
        assert report.done >= 100_000
        assert report.total is None
