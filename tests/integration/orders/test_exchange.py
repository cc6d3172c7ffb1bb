"""JSON in and out, as the predecessor writes it; what cannot be taken is named."""

from __future__ import annotations

import base64
import json

import pytest
from django.core.exceptions import ValidationError

from orders import exchange, json_file, keeping
from orders.models import Configuration, Content
from tests.unit.orders.test_pictures import drawn

pytestmark = pytest.mark.django_db

# As the former service exports it.
THEIRS = {
    "id": 17,
    "name": "École de Kayes",
    "ssid": "École",
    "project_name": "kayes",
    "variant": "",
    "language": "fr",
    "timezone": "Africa/Bamako",
    "wifi_password": "bonjour-kayes",
    "admin_account": {"login": "chef", "password": "secret-kayes"},
    "human_size": "8 GB",
    "size": 8,
    "content": {
        "zims": ["kiwix:wikipedia", "openZIM:gone:maxi"],
        "packages": [],
        "edupi_resources": None,
        "metrics": True,
    },
    "options": {"kiwix_readers": True},
    "branding": {
        "logo": {"fname": "logo.png", "data": base64.b64encode(drawn()).decode(), "size": 1},
        "favicon": None,
    },
    "beta_features": [],
}


def take(school, **changes) -> exchange.Taken:
    return exchange.take_in({**THEIRS, **changes}, of=school.organization, by=school.member)


def test_theirs_is_taken_and_what_is_gone_is_named(school):
    taken = take(school)

    one = Configuration.objects.get(pk=taken.configuration.pk)
    assert (one.name, one.ssid, one.domain, one.language) == ("École de Kayes", "École", "kayes", "fr")
    assert (one.timezone, one.wifi_password) == ("Africa/Bamako", "bonjour-kayes")
    assert (one.admin_account, one.admin_password) == ("chef", "secret-kayes")
    assert (one.content_metrics, one.option_kiwix_readers) == (True, True)
    assert [content.ident for content in one.contents.all()] == ["kiwix:wikipedia"]
    assert one.branding_logo is not None
    assert one.branding_logo.name == "logo.png"
    assert taken.left_out == ["Not in the catalogue: openZIM:gone:maxi."]
    assert (one.version, one.organization) == (1, school.organization)


def test_out_and_in_again_is_the_same(school):
    one = take(school, content={**THEIRS["content"], "zims": ["kiwix:wikipedia"]}).configuration
    text = json.dumps(exchange.exported(one, secrets=True)).encode()

    again = exchange.take_in(json_file.load(text), of=school.organization, by=school.member)

    assert again.left_out == []
    assert keeping.values_of(again.configuration) == keeping.values_of(one)


def test_the_export_has_the_keys_of_theirs(school):
    assert list(exchange.exported(school.configuration, secrets=False)) == list(THEIRS)


def test_secrets_only_when_asked_for(school):
    assert "canary" not in json.dumps(exchange.exported(school.configuration, secrets=False))
    assert "canary" in json.dumps(exchange.exported(school.configuration, secrets=True))


@pytest.mark.parametrize(
    ("wifi", "password"),
    [
        ({"protected": True, "password": "legacy-key"}, "legacy-key"),
        ({"password": "legacy-key"}, "legacy-key"),
        ({"protected": False, "password": "legacy-key"}, ""),
    ],
)
def test_the_legacy_place_of_the_wifi_password(school, wifi, password):
    assert take(school, wifi_password=None, wifi=wifi).configuration.wifi_password == password


def test_unknown_keys_are_named(school):
    taken = take(school, colour="red", content={**THEIRS["content"], "kalite": ["fr"]})

    assert "Unknown keys: colour, content.kalite." in taken.left_out


def test_unknown_language_and_time_zone_get_the_default(school):
    taken = take(school, language="xx", timezone="Mars/Olympus")

    assert (taken.configuration.language, taken.configuration.timezone) == ("en", "UTC")
    assert [sentence for sentence in taken.left_out if "Mars/Olympus" in sentence]


def test_who_may_not_brand_is_told(school):
    school.organization.can_brand = False
    taken = take(school)

    assert (taken.configuration.ssid, taken.configuration.branding_logo) == ("Kiwix Hotspot", None)
    assert [sentence for sentence in taken.left_out if "may not brand" in sentence]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"wifi_password": "x" * 64}, "wifi_password"),
        ({"ssid": "é" * 17}, "ssid"),
        ({"project_name": "No Spaces"}, "domain"),
        ({"variant": "Unknown"}, "variant"),
        ({"name": "x" * 101}, "name"),
        ({"admin_account": {"login": "admin", "password": None}}, "admin_password"),
        ({"admin_account": {"login": "a b", "password": "1234"}}, "admin_account"),
        ({"content": {"edupi_resources": "http://127.0.0.1/x.zip"}}, "preload_url"),
        ({"content": {"edupi_resources": "ftp://x/x.zip"}}, "preload_url"),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_is_made(school, changes, field):
    with pytest.raises(ValidationError) as refusal:
        take(school, **changes)

    assert field in refusal.value.message_dict
    assert Configuration.objects.count() == 1


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_characters_that_cannot_be_stored(school, name):
    with pytest.raises(ValidationError, match="NUL, or half a character"):
        take(school, name=name)


@pytest.mark.parametrize("value", [[], "x", 1, None, {"data": 5}, {"data": "%%"}, {"data": "PHN2Zy8+"}])
def test_a_logo_that_is_none_is_left_out(school, value):
    taken = take(school, branding={"logo": value, "favicon": value})

    assert taken.configuration.branding_logo is None


@pytest.mark.parametrize(
    "changes",
    [
        {"content": []},
        {"content": {"zims": [1, {}, None], "packages": "x"}},
        {"options": None},
        {"branding": 5},
        {"wifi": "x"},
        {"beta_features": [[]]},
        {"language": {}},
    ],
)
def test_what_has_another_shape_is_left_away(school, changes):
    assert take(school, **changes).configuration.pk


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "one object"),
        (b'"x"', "one object"),
        (b" " * (8 * 1024 * 1024 + 1), "has 8.388609 MB; at most 8.388608 MB"),
    ],
)
def test_files_that_are_no_export(text, words):
    with pytest.raises(ValidationError) as refusal:
        json_file.load(text)

    assert words in refusal.value.messages[0]


def test_withdrawn_contents_are_left_out(school):
    Content.objects.update(active=False)

    assert "kiwix:wikipedia" in take(school).left_out[0]


@pytest.mark.parametrize("data", ["é", "AAA", "=", "!!!!"])
def test_a_logo_that_is_no_base64_is_left_out(school, data):
    taken = take(school, branding={"logo": {"fname": "logo.png", "data": data}})
    assert taken.configuration.branding_logo is None
    assert [sentence for sentence in taken.left_out if sentence.startswith("branding.logo: ")]
