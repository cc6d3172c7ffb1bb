"""Bad bodies by API: what is sent, and the one sentence that comes back. Nothing is kept of any of them.

With `test_on_pages.py` and `test_files.py` this is the table of bad input. Who was faster than whom (prices,
changes, the last units) is in `test_two_browsers.py`; what may stand in a field, value by value, in
`tests/unit/orders/test_validators.py`.
"""

from __future__ import annotations

import pytest

from orders.models import Upload
from tests.integration.api.test_permissions import ADDRESS
from tests.integration.bad_inputs.reading import of_api, short
from tests.integration.bad_inputs.said import (
    ENTRIES,
    NOT_PUBLIC,
    PHONE,
    SSID_BYTES,
    SSID_SIGNS,
    VARIANTS,
    WIFI_SIGNS,
)
from tests.integration.orders.test_api_configurations import URL as CONFIGURATIONS
from tests.integration.orders.test_api_configurations import body as configuration_body
from tests.integration.orders.test_api_orders import URL as ORDERS
from tests.integration.orders.test_api_orders import body as order_body

ADDRESSES = "/api/v1/addresses/"
LIST_TAKES = "format, kind, ordering, page, page_size, status, status__in"


def refused(client, url: str, body: dict) -> str:
    return of_api(client.post(url, body))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"wifi_password": "k" * 64},
            "wifi_password: The Wi-Fi password has 8 to 63 characters; this one has 64. Change it.",
        ),
        (
            {"wifi_password": "seven77"},
            "wifi_password: The Wi-Fi password has 8 to 63 characters; this one has 7. Change it.",
        ),
        ({"wifi_password": "été-été-été"}, f"wifi_password: {WIFI_SIGNS}"),
        ({"ssid": "é" * 16 + "x"}, f"ssid: {SSID_BYTES}"),
        ({"ssid": "x" * 33}, f"ssid: {SSID_BYTES}"),
        ({"ssid": "a/b"}, f"ssid: {SSID_SIGNS}"),
        (
            {"domain": "My School"},
            "domain: The domain has 1 to 32 small letters, digits and inner hyphens. Example: school-library",
        ),
        (
            {"admin_account": "the admin"},
            "admin_account: The admin account has 1 to 31 letters, digits, _ and -. Example: admin",
        ),
        (
            {"admin_password": "a b"},
            "admin_password: The admin password has 4 to 31 letters, digits, _ and -. Choose one of these.",
        ),
        ({"admin_password": ""}, "admin_password: “admin_password” is empty: fill it in."),
        ({"name": ""}, "name: “name” is empty: fill it in."),
        ({"name": "x" * 101}, "name: “name” has at most 100 characters: shorten it."),
        ({"name": "a\0b"}, "name: “name” holds a zero byte, which cannot be stored: take it out."),
        ({"name": None}, "name: “name” must not be null: send a value."),
        ({"language": "tlh"}, "language: “language” must be one of en, fr."),
        (
            {"timezone": "Mars/Olympus"},
            "timezone: Unknown time zone. Choose one of the IANA list, for example Africa/Bamako.",
        ),
        ({"variant": "Ultimate"}, f"variant: “variant” must be one of {VARIANTS}."),
        (
            {"contents": "kiwix:wikipedia"},
            "contents: Send a list of identifiers of the catalogue: [“…”, “…”].",
        ),
        ({"contents": [1]}, "contents: Send a list of identifiers of the catalogue: [“…”, “…”]."),
        (
            {"contents": ["kiwix:klingon"]},
            "contents: Not in the catalogue: kiwix:klingon. Leave them out, or choose others.",
        ),
        (
            {"contents": ["x"] * 1001},
            "contents: At most 1000 contents fit in a configuration; these are 1001. Leave some out.",
        ),
        ({"preload_url": "http://127.0.0.1/x.zip"}, f"preload_url: {NOT_PUBLIC}"),
        (
            {"preload_url": "file:///etc/passwd"},
            "preload_url: Give an address that begins with https:// or http://.",
        ),
        (
            {"preload_url": "https://example.org:port/a.zip"},
            "preload_url: “preload_url” must be an address of the web, for example https://example.org/a.",
        ),
        (
            {"branding_logo": "logo.png"},
            "branding_logo: “branding_logo” must be an identifier: send one of the list.",
        ),
        (
            {"branding_logo": "1b4e28ba-2fa1-11d2-883f-0016d3cca427"},
            "branding_logo: “branding_logo” names nothing that you can use: choose from the list of them.",
        ),
        (
            {"beta_features": ["warp"]},
            "beta_features: École does not try beta features. Staff can switch them on.",
        ),
        ({"beta_features": ["ok", "w" * 51, "", 7, None, ["x"]]}, ENTRIES),
        ({"beta_features": "warp"}, "beta_features: “beta_features” must be a list: [ … ]."),
        ({"name": ["x"]}, "name: “name” must be text, between quotation marks."),
        (
            {"beta_features": ["warp"] * 51},
            "beta_features: “beta_features” takes at most 50 entries: leave some out.",
        ),
        ({"content_metrics": "perhaps"}, "content_metrics: “content_metrics” must be true or false."),
        ({"version": -1}, "version: “version” is at least 0: send that or more."),
        (
            {"wifi_pasword": "misspelt-1"},
            "wifi_pasword: “wifi_pasword” is no key of this body: leave it out, or correct its spelling.",
        ),
        (
            {"created_by": 1},
            "created_by: “created_by” is no key of this body: leave it out, or correct its spelling.",
        ),
        (
            {"preload_bytes": 5},
            "preload_bytes: “preload_bytes” is no key of this body: leave it out, or correct its spelling.",
        ),
        (
            {"organization": "nobody"},
            "organization: “organization” names nothing that you can use: choose from the list of them.",
        ),
    ],
    ids=short,
)
def test_configurations(school, api, keeps_nothing, fields, sentence):
    body = configuration_body(**fields)
    told = keeps_nothing(lambda: refused(api(school.member), CONFIGURATIONS, body))
    assert told == sentence


def test_what_does_not_go_together(school, api, keeps_nothing, settings):
    settings.BETA_FEATURES = {"warp": "Faster"}
    school.organization.beta_is_active = True  # the member's own object: the client holds on to it
    school.organization.save()
    facts = {"size": 1, "unpacked": 1, "sha256": "ab" * 32, "file": "zip/x", "name": "x.zip", "kind": "zip"}
    archive = Upload.objects.create(organization=school.organization, **facts)
    both = {"preload_url": "https://example.org/a.zip", "preload_zip": str(archive.pk)}
    for fields, sentence in (
        ({"beta_features": ["worp", "warp"]}, "beta_features: Unknown beta features: worp. Known: warp."),
        (both, "preload_url: Give either an address or an upload, not both. Empty one of them."),
    ):
        body = configuration_body(**fields)
        told = keeps_nothing(lambda body=body: refused(api(school.member), CONFIGURATIONS, body))
        assert told == sentence


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"quantity": -3}, "quantity: Order 1 to 10 cards at a time; you asked for -3."),
        ({"quantity": 0}, "quantity: Order 1 to 10 cards at a time; you asked for 0."),
        ({"quantity": 11}, "quantity: Order 1 to 10 cards at a time; you asked for 11."),
        (
            {"quantity": 10**30},
            "quantity: Order 1 to 10 cards at a time; you asked for 1000000000000000000000000000000.",
        ),
        ({"quantity": "many"}, "quantity: “quantity” must be a whole number, for example 1."),
        ({"quantity": None}, "quantity: “quantity” must not be null: send a value."),
        ({"kind": "pigeon"}, "kind: “kind” must be one of physical, virtual."),
        (
            {"kind": "virtual", "quantity": 1},
            "media: 8GB microSD is not for this kind of order. Choose another size.",
        ),
        ({"media": 999_999}, "media: “media” names nothing that you can use: choose from the list of them."),
        ({"media": "8 GB"}, "media: “media” is of the wrong type: send an identifier as the list tells it."),
        (
            {"configuration": 999_999},
            "configuration: “configuration” names nothing that you can use: choose from the list of them.",
        ),
        ({"configuration": None}, "configuration: “configuration” must not be null: send a value."),
        ({"recipient_name": ""}, "recipient_name: Needed to send the cards: fill it in."),
        (
            {"recipient_name": "x" * 101},
            "recipient_name: “recipient_name” has at most 100 characters: shorten it.",
        ),
        (
            {"recipient_name": "\0"},
            "recipient_name: “recipient_name” holds a zero byte, which cannot be stored: take it out.",
        ),
        ({"recipient_country": ""}, "recipient_country: Needed to send the cards: fill it in."),
        (
            {"recipient_country": "Mali"},
            "recipient_country: Not a country code. Use two capital letters, for example ML.",
        ),
        (
            {"recipient_country": "XX"},
            "recipient_country: Not a country code. Use two capital letters, for example ML.",
        ),
        ({"recipient_phone": "12"}, f"recipient_phone: {PHONE}"),
        ({"recipient_phone": "call me"}, f"recipient_phone: {PHONE}"),
        (
            {"recipient_email": "awa@"},
            "recipient_email: “recipient_email” must be an e-mail address, for example awa@example.org.",
        ),
        (
            {"address": 999_999},
            "address: “address” names nothing that you can use: choose from the list of them.",
        ),
        ({"expected_units": -1}, "expected_units: “expected_units” is at least 0: send that or more."),
        (
            {"expected_units": "many"},
            "expected_units: “expected_units” must be a whole number, for example 1.",
        ),
        ({"expected_units": 1.5}, "expected_units: “expected_units” must be a whole number, for example 1."),
        (
            {"status": "shipped"},
            "status: “status” is no key of this body: leave it out, or correct its spelling.",
        ),
        (
            {"organization": "other"},
            "organization: “organization” is no key of this body: leave it out, or correct its spelling.",
        ),
        (
            {"recipe": "base: x"},
            "recipe: “recipe” is no key of this body: leave it out, or correct its spelling.",
        ),
    ],
    ids=short,
)
def test_orders(school, api, keeps_nothing, fields, sentence):
    told = keeps_nothing(lambda: refused(api(school.member), ORDERS, order_body(school, **fields)))
    assert told == sentence


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"phone": "call me"}, f"phone: {PHONE}"),
        ({"country": "XX"}, "country: Not a country code. Use two capital letters, for example ML."),
        ({"street": ""}, "street: “street” is empty: fill it in."),
        ({"email": "awa@"}, "email: “email” must be an e-mail address, for example awa@example.org."),
        ({"name": "x" * 101}, "name: “name” has at most 100 characters: shorten it."),
    ],
    ids=short,
)
def test_addresses(school, api, keeps_nothing, fields, sentence):
    told = keeps_nothing(lambda: refused(api(school.member), ADDRESSES, {**ADDRESS, **fields}))
    assert told == sentence


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("page_size=0", "page_size: “page_size” must be a whole number from 1; above 100 it counts as 100."),
        (
            "ordering=price",
            "ordering: This list cannot be ordered by “price”: choose from created_at, number, status.",
        ),
        ("kind=", "kind: Send a value, or leave this filter out."),
        ("kind=pigeon", "kind: “kind” must be one of physical, virtual."),
        (
            "organisation=ecole",
            f"organisation: This list has no “organisation”: leave it out, or choose from {LIST_TAKES}.",
        ),
        (
            "search=x",
            f"search: This list has no “search”: leave it out, or choose from {LIST_TAKES}.",
        ),
    ],
    ids=short,
)
def test_lists(school, api, query, sentence):
    told = of_api(api(school.member).get(f"{ORDERS}?{query}"))
    assert told == sentence


def test_lists_of_others_and_by_their_names(school, api):
    staff = api(school.staff)
    assert (
        staff.get(f"{CONFIGURATIONS}?search=x&ordering=name&page=1&page_size=5&format=json").status_code
        == 200
    )
    told = of_api(staff.get(f"{CONFIGURATIONS}?organization={'x' * 51}"))
    assert told == "organization: “organization” has at most 50 characters; here are 51: shorten it."
    told = of_api(staff.get("/api/v1/invitations/?email=awa@example.org"))
    assert told.startswith("email: This list has no “email”")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "parse_error: The body is no JSON (line 1, column 2). Correct it there, and send it again."),
        (
            "[" * 60 + "]" * 60,
            "parse_error: The JSON is nested too deeply: at most 50 levels. Send a flatter body.",
        ),
        ("[]", "non_field_errors: Send one object { … } with the fields by their names."),
        ('"x"', "non_field_errors: Send one object { … } with the fields by their names."),
        ("null", "non_field_errors: Send one object { … } with the fields by their names."),
        ("5", "non_field_errors: Send one object { … } with the fields by their names."),
        (
            '{"name": "\\ud800", "admin_password": "secret-1"}',
            "name: “name” holds half a character, which cannot be stored: take it out.",
        ),
    ],
    ids=short,
)
def test_bodies(school, api, keeps_nothing, text, sentence):
    client = api(school.member)
    told = keeps_nothing(lambda: of_api(client.post(CONFIGURATIONS, text, content_type="application/json")))
    assert told == sentence
