"""Bad forms: what is typed, and the sentence that stands beside its field. Nothing is kept of any of them."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.integration.api.test_permissions import ADDRESS
from tests.integration.bad_inputs.reading import of_page, short
from tests.integration.bad_inputs.said import E_MAIL, NO_ZIP, NOT_PUBLIC, PHONE, SSID_BYTES
from tests.integration.orders.test_forms import configuration_data, order_data
from tests.unit.orders.test_pictures import png_bomb


def file(data: bytes, name: str = "logo.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"wifi_password": "k" * 64},
            "Wi-Fi password: The Wi-Fi password has 8 to 63 characters; this one has 64. Shorten it.",
        ),
        (
            {"wifi_password": "seven77"},
            "Wi-Fi password: The Wi-Fi password has 8 to 63 characters; this one has 7. Change it.",
        ),
        ({"ssid": "é" * 16 + "x"}, f"Wi-Fi name (SSID): {SSID_BYTES}"),
        (
            {"ssid": "x" * 33},
            "Wi-Fi name (SSID): The Wi-Fi name has at most 32 characters; this one has 33. Shorten it.",
        ),
        ({"name": ""}, "Name: “Name” is empty: fill it in."),
        ({"name": "x" * 101}, "Name: “Name” has at most 100 characters; here are 101: shorten it."),
        (
            {"domain": "My School"},
            "Domain: The domain has 1 to 32 small letters, digits and inner hyphens. Example: school-library",
        ),
        (
            {"admin_password": "a b"},
            "Admin password: The admin password has 4 to 31 letters, digits, _ and -. Choose one of these.",
        ),
        ({"language": "tlh"}, "Language: “Language” must be one of English, Français: choose one of these."),
        (
            {"contents": ["999999"]},
            "Contents: “Contents” does not offer what was sent: choose from its list.",
        ),
        ({"preload_url": "http://127.0.0.1/x.zip"}, f"address of a ZIP archive: {NOT_PUBLIC}"),
        (
            {"branding_logo_file": file(b"<svg/>")},
            "logo: This is an SVG drawing: it can hold programs, so it is not taken. Export it as PNG.",
        ),
        (
            {"branding_logo_file": file(png_bomb(60_000))},
            "logo: The picture has more than 16 million pixels. Make it smaller.",
        ),
        ({"preload_zip_file": file(b"hello", "a.zip")}, f"or upload a ZIP archive: {NO_ZIP}"),
    ],
    ids=short,
)
def test_configurations(school, member, keeps_nothing, fields, sentence):
    told = keeps_nothing(lambda: of_page(member.post("/configurations/new/", configuration_data(**fields))))
    assert told == sentence


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"quantity": "-3"}, "quantity: Order 1 to 10 cards at a time; you asked for -3."),
        ({"quantity": "11"}, "quantity: Order 1 to 10 cards at a time; you asked for 11."),
        ({"quantity": "two"}, "quantity: “Quantity” must be a whole number, for example 1."),
        ({"kind": "pigeon"}, "kind: “Kind” must be one of SD cards, download: choose one of these."),
        ({"media": ""}, "size: “Size” has nothing chosen: choose from its list."),
        (
            {"configuration": "x' OR 1=1"},
            "configuration: “Configuration” does not offer what was sent: choose from its list.",
        ),
        ({"recipient_name": ""}, "recipient: Needed to send the cards: fill it in."),
        (
            {"recipient_address": "x" * 1001},
            "street: “Street” has at most 1000 characters; here are 1001: shorten it.",
        ),
        (
            {"recipient_country": "XX"},
            "country: “Country” does not offer what was sent: choose from its list.",
        ),
        ({"recipient_phone": "12"}, f"phone: {PHONE}"),
        (
            {"recipient_email": "awa@"},
            f"recipient's e-mail: {E_MAIL}",
        ),
    ],
    ids=short,
)
def test_orders(school, member, keeps_nothing, fields, sentence):
    told = keeps_nothing(lambda: of_page(member.post("/orders/new/", order_data(school, **fields))))
    assert told == sentence


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"phone": "call me"}, f"Phone: {PHONE}"),
        ({"country": ""}, "country: “Country” has nothing chosen: choose from its list."),
        (
            {"email": "awa@"},
            f"Recipient's e-mail: {E_MAIL}",
        ),
    ],
    ids=short,
)
def test_addresses(school, member, keeps_nothing, fields, sentence):
    told = keeps_nothing(lambda: of_page(member.post("/addresses/new/", {**ADDRESS, **fields})))
    assert told == sentence
