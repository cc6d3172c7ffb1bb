"""What may stand in the fields of a configuration, and what may not."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from orders import countries, validators

GOOD = [
    (validators.ssid, ["Kiwix Hotspot", "x", "é" * 16, "a!#;", "x" * 32, "日本"]),
    (validators.hostname, ["kiwix", "a", "a-b", "x" * 32, "0"]),
    (validators.wifi_password, ["12345678", "x" * 63, "a b:c'd\"e#f", " " * 8]),
    (validators.account, ["admin", "A_b-9", "x" * 31]),
    (validators.admin_password, ["1234", "x" * 31]),
    (validators.sha256, ["ab" * 32]),
    (validators.timezone_name, ["UTC", "Africa/Bamako"]),
    (validators.content_url, ["https://a.example/b.zim", "http://127.0.0.1:8000/x"]),
    (validators.card_path, ["/data/x", "/data/a/b.zim", "/data/a b", "/data/é"]),
]
BAD = [
    (
        validators.ssid,
        ["", "x" * 33, "!x", "#x", ";x", "a+b", "a]b", "a/b", 'a"b', "a\tb", "a\nb", "x\n", "a\0b"],
    ),
    (validators.hostname, ["", "-a", "a-", "A", "a.b", "a_b", "x" * 33, "a\n", "é"]),
    (validators.wifi_password, ["1234567", "x" * 64, "é2345678", "1234567\n", "12345678\n", "\x0012345678"]),
    (validators.account, ["", "x" * 32, "a b", "a\n", "é", "a;b"]),
    (validators.admin_password, ["123", "x" * 32, "abc d", "abcd\n", "$(id)"]),
    (validators.sha256, ["", "AB" * 32, "ab" * 31, "zz" * 32]),
    (validators.timezone_name, ["", "Mars/Olympus", "../etc/passwd", "utc"]),
    (
        validators.content_url,
        ["ftp://a/b", "file:///etc/passwd", "https://", "https://u:p@a/b", "//a/b", "x"],
    ),
    (
        validators.card_path,
        ["/data", "/data/", "/data/../x", "/data/./x", "/data//x", "/etc/passwd", "data/x"],
    ),
]


def pairs(table):
    return [(validator, value) for validator, values in table for value in values]


@pytest.mark.parametrize(("validator", "value"), pairs(GOOD))
def test_good(validator, value):
    validator(value)


@pytest.mark.parametrize(("validator", "value"), pairs(BAD))
def test_bad(validator, value):
    with pytest.raises(ValidationError) as refusal:
        validator(value)

    assert len(str(refusal.value.messages[0])) > 10


def test_countries_have_codes_and_names():
    assert len(countries.names()) > 200
    assert countries.name_of("ML") == "Mali"
    assert countries.name_of("XX") == "XX"


@pytest.mark.parametrize("value", ["http://[", "http://[::1", "https://[zz]/a.zip"])
def test_an_address_with_broken_brackets_is_refused_not_a_fault(value):
    for check in (validators.content_url, validators.preload_url):
        with pytest.raises(ValidationError):
            check(value)
