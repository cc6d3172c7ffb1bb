"""Bad logos, archives, imports and feeds, and the sentence that comes back. Nothing is kept of them."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile

from orders.catalogue.syncing import look
from orders.models import Configuration, Source
from tests import factories as make
from tests.feeds import many, opds, serving
from tests.integration.bad_inputs.reading import of_api, of_page, short
from tests.integration.bad_inputs.said import (
    CUT,
    ENTITIES,
    NO_PASSWORD,
    NO_ZIP,
    NOT_PUBLIC,
    SHRUNK,
    SSID_BYTES,
    VARIANTS,
)
from tests.unit.orders.test_pictures import drawn, png_bomb

UPLOADS, IMPORT = "/api/v1/uploads/", "/api/v1/configurations/import/"
MEGABYTES_50 = 50 * 1000 * 1000


def archive(*names: str, bytes_each: int = 1) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name in names:
            made.writestr(name, bytes(bytes_each))
    return out.getvalue()


def claiming(size: int) -> bytes:
    """An archive of a few bytes whose index says that its one file has `size`."""
    whole = archive("a.txt", bytes_each=7)
    at = whole.index(b"PK\x01\x02") + 24
    return whole[:at] + size.to_bytes(4, "little") + whole[at + 4 :]


def uploaded(client, kind: str, name: str, data: bytes) -> str:
    file = SimpleUploadedFile(name, data)
    return of_api(client.post(UPLOADS, {"kind": kind, "file": file}, format="multipart"))


@pytest.mark.parametrize(
    ("kind", "name", "data", "sentence"),
    [
        (
            "logo",
            "logo.png",
            b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
            "file: This is an SVG drawing: it can hold programs, so it is not taken. Export it as PNG.",
        ),
        ("logo", "logo.png", archive("a"), "file: This is an archive, and no picture. Unpack it first."),
        (
            "logo",
            "logo.png",
            b"MZ\x90\x00",
            "file: This is no PNG, JPEG, WebP, GIF or ICO picture, whatever its name says. Save it as PNG.",
        ),
        (
            "logo",
            "logo.png",
            png_bomb(60_000),
            "file: The picture has more than 16 million pixels. Make it smaller.",
        ),
        (
            "logo",
            "logo.png",
            drawn() + bytes(3 << 20),
            "file: The picture has 3.1 MB; at most 1.0 MB are taken. Make it smaller.",
        ),
        (
            "logo",
            "logo.png",
            drawn()[:40],
            "file: The picture is damaged: it cannot be decoded. Save it again as PNG.",
        ),
        (
            "favicon",
            "square.png",
            drawn((300, 100)),
            "file: The square logo has 300 × 100 pixels. Cut it to as many in width as in height.",
        ),
        (
            "zip",
            "a.zip",
            b"hello",
            f"file: {NO_ZIP}",
        ),
        (
            "zip",
            "a.zip",
            b"",
            f"file: {NO_ZIP}",
        ),
        (
            "zip",
            "a.zip",
            archive("a.txt", "b.txt")[:-30],
            f"file: {NO_ZIP}",
        ),
        (
            "zip",
            "a.zip",
            archive("../etc/passwd"),
            "file: The archive holds “../etc/passwd”, which would lie outside of its folder. Take it out.",
        ),
        ("zip", "a.zip", archive(), "file: The ZIP archive holds no file. Put some in."),
        (
            "zip",
            "a.zip",
            claiming(4_000_000_000),
            "file: The archive claims to unfold to 4.0 GB, which it cannot. Make it again.",
        ),
        ("film", "a.mp4", b"x", "kind: “kind” must be one of logo, favicon, zip."),
    ],
    ids=short,
)
def test_uploads(school, api, keeps_nothing, kind, name, data, sentence):
    told = keeps_nothing(lambda: uploaded(api(school.member), kind, name, data))
    assert told == sentence


IMPORTS = [
    (
        b" " * MEGABYTES_50,
        "The file has 50.0 MB; at most 8.4 MB are read. Export it again, with smaller logos.",
    ),
    (b"{", "This is no JSON (line 1). Choose a file that was exported as JSON."),
    (b"\xff\xfe\x00", "This is no JSON text. Choose a file that was exported as JSON."),
    (b"[]", "The JSON must be one object { … }, as an export is."),
    (b"{}", f"admin_password: {NO_PASSWORD}"),
    (
        json.dumps({"name": "a\0b"}).encode(),
        "The file holds characters that cannot be stored: NUL, or half a character. Remove them.",
    ),
    (
        {"wifi_password": "k" * 64},
        "wifi_password: The Wi-Fi password has 8 to 63 characters; this one has 64. Change it.",
    ),
    ({"ssid": "é" * 16 + "x"}, f"ssid: {SSID_BYTES}"),
    (
        {"variant": "Ultimate"},
        f"variant: “Ultimate” is none of {VARIANTS}. Choose one of them, or leave it out.",
    ),
    ({"name": "x" * 101}, "name: “name” has at most 100 characters; here are 101: shorten it."),
    ({"content": {"edupi_resources": "http://127.0.0.1/x.zip"}}, f"preload_url: {NOT_PUBLIC}"),
]


def file_of(data: bytes | dict) -> SimpleUploadedFile:
    whole = {"name": "New", "admin_account": {"login": "admin", "password": "secret-1"}}
    text = data if isinstance(data, bytes) else json.dumps({**whole, **data}).encode()
    return SimpleUploadedFile("export.json", text)


@pytest.mark.parametrize(("data", "sentence"), IMPORTS, ids=short)
def test_imports(school, api, member, keeps_nothing, data, sentence):
    client = api(school.member)
    told = keeps_nothing(lambda: of_api(client.post(IMPORT, {"file": file_of(data)}, format="multipart")))
    on_page = keeps_nothing(lambda: of_page(member.post("/configurations/import/", {"file": file_of(data)})))
    assert told == f"file: {sentence}"
    assert on_page == f"JSON file: {sentence}"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (opds(*many(30))[: len(opds(*many(30))) // 2], CUT),
        (opds(), "nothing changed: it holds no entry that could be taken; see whether its address is right."),
        (opds(*many(4)), SHRUNK),
        (
            b"<html><body>Down for maintenance</body></html>",
            "nothing changed: it is no Atom feed; name the address of /catalog/v2/entries?count=-1.",
        ),
        (
            opds(*many(3), total=3602),
            "nothing changed: it holds 3 of 3602 entries; ask for all of them with ?count=-1.",
        ),
        (opds(*many(20)).replace(b"<feed", b"<!DOCTYPE f [<!ENTITY a 'a'>]><feed", 1), ENTITIES),
    ],
    ids=short,
)
def test_feeds(db, keeps_nothing, body, sentence):
    with serving() as library:
        library.body = opds(*many(20))
        assert not look(Source.ZIMS, library.url).fault
        library.body = body
        told = keeps_nothing(lambda: look(Source.ZIMS, library.url).words())
    assert told == sentence


def test_what_is_kept_would_be_seen(school, keeps_nothing):
    """The looking itself: a row, a value or a file more is no refusal."""

    def file() -> str:
        return storages["uploads"].save("stray/logo.png", ContentFile(b"x"))

    def value() -> str:
        return str(Configuration.objects.update(name="Changed"))

    for deed in (lambda: str(make.address(school.organization)), value, file):
        with pytest.raises(AssertionError):
            keeps_nothing(deed)
    storages["uploads"].delete("stray/logo.png")
