"""The recipe: exactly this text, and nothing that people type gets out of its field."""

from __future__ import annotations

import pytest
import yaml

from orders.models import Configuration, Content
from orders.recipe import recipe, snapshot

GOLDEN = """\
base:
  source: https://base.example/base.img.zst
  rootfs_size: 41943040
  checksum:
    algo: sha-256
    value: cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd
output:
  size: 7760000000
files:
- url: https://zim.example/wikipedia.zim
  to: /data/zims/wikipedia.zim
  via: direct
  size: 1000000
  checksum:
    algo: sha-256
    value: abababababababababababababababababababababababababababababababab
- url: https://zim.example/notes.txt
  to: /data/notes.txt
  via: direct
offspot:
  timezone: Africa/Bamako
  hostname: ecole
  language: fr
  ethernet:
    type: dhcp
  ap:
    ssid: École
    domain: ecole
    tld: hotspot
    welcome: goto.kiwix
    passphrase: bonjour le monde
  admin:
    login: admin
    password: admin-password
"""

CONTENTS = [
    Content(
        ident="openZIM:wikipedia_fr:maxi",
        title="Wikipédia",
        version="2026-10",
        url="https://zim.example/wikipedia.zim",
        path="/data/zims/wikipedia.zim",
        size=1_000_000,
        sha256="ab" * 32,
    ),
    Content(
        ident="notes", title="Notes", url="https://zim.example/notes.txt", path="/data/notes.txt", size=0
    ),
]

INJECTIONS = [
    "a: b",
    "x\nfiles: []",
    "'single'",
    '"double"',
    "{flow: true}",
    "[1, 2]",
    "&anchor *alias",
    "!!python/object/apply:os.system [id]",
    "# comment",
    "- item",
    "---",
    "...",
    "yes",
    "null",
    "1e400",
    "0x10",
    "%TAG",
    "|\n  block",
    "\ttab",
    " leading and trailing ",
    "back\\slash",
    "é\u2028\u0085\ufeff",
    "\U0001f600",
]


def configuration(**fields) -> Configuration:
    defaults = {
        "ssid": "École",
        "domain": "ecole",
        "wifi_password": "bonjour le monde",
        "admin_password": "admin-password",
        "language": "fr",
        "timezone": "Africa/Bamako",
    }
    return Configuration(**{**defaults, **fields})


def test_golden(settings):
    settings.BASE_IMAGE_SHA256 = "cd" * 32

    assert recipe(configuration(), CONTENTS, size=7_760_000_000) == GOLDEN


def test_an_open_network_has_no_passphrase():
    text = recipe(configuration(wifi_password=""), [], size=1)

    assert "passphrase" not in text
    assert yaml.safe_load(text)["files"] == []


def test_a_base_without_a_digest_has_no_checksum(settings):
    settings.BASE_IMAGE_SHA256 = ""

    assert "checksum" not in yaml.safe_load(recipe(configuration(), [], size=1))["base"]


@pytest.mark.parametrize("text", INJECTIONS)
def test_nothing_gets_out_of_its_field(text):
    plain = yaml.safe_load(recipe(configuration(), CONTENTS, size=1))

    made = recipe(
        configuration(ssid=text, wifi_password=text, admin_password=text),
        [Content(title=text, url=f"https://x/{text}", path=f"/data/{text}", size=1)],
        size=1,
    )

    read = yaml.safe_load(made)
    assert list(read) == list(plain)
    assert read["offspot"]["ap"]["ssid"] == read["offspot"]["ap"]["passphrase"] == text
    assert read["offspot"]["admin"]["password"] == text
    assert read["files"] == [{"url": f"https://x/{text}", "to": f"/data/{text}", "via": "direct", "size": 1}]


def test_the_snapshot_is_for_people():
    assert snapshot(CONTENTS) == [
        {
            "title": "Wikipédia",
            "path": "/data/zims/wikipedia.zim",
            "size": 1_000_000,
            "ident": "openZIM:wikipedia_fr:maxi",
            "version": "2026-10",
        },
        {"title": "Notes", "path": "/data/notes.txt", "size": 0, "ident": "notes", "version": ""},
    ]
