"""Logos: what is taken is decoded and written anew; what is refused is named with its limit."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from django.core.exceptions import ValidationError
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from orders.models import Upload
from orders.pictures import picture

LOGO, FAVICON = Upload.Kind.LOGO, Upload.Kind.FAVICON


def drawn(size=(300, 100), form="PNG", mode="RGBA", **options) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, "teal").save(out, form, **options)
    return out.getvalue()


def png_bomb(side: int) -> bytes:
    """A PNG that says it has side × side pixels, in a few bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + crc

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    row = zlib.compress(bytes(1 + side // 8)) * 1
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", row) + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
def test_pictures_of_these_kinds_become_png(form):
    made = picture(drawn(form=form, mode="RGB"), LOGO)

    with Image.open(io.BytesIO(made.data)) as image:
        assert (image.format, image.size) == ("PNG", (300, 100))


def test_an_icon_becomes_a_square_logo():
    made = picture(drawn((64, 64), "ICO"), FAVICON)

    assert (made.width, made.height) == (64, 64)


def test_nothing_but_the_pixels_stays():
    said = PngInfo()
    said.add_text("comment", "<script>alert(1)</script> canary")
    made = picture(drawn(pnginfo=said) + b"canary behind the end", LOGO)

    assert b"canary" not in made.data


def test_a_large_picture_is_made_smaller():
    made = picture(drawn((3200, 900)), LOGO)

    assert (made.width, made.height) == (1600, 450)


def test_what_was_written_is_written_the_same_again():
    made = picture(drawn((3200, 900)), LOGO)

    assert picture(made.data, LOGO) == made


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", LOGO, "SVG drawing: it can hold programs"),
        (b"<?xml version='1.0'?><svg/>", LOGO, "Export it as PNG"),
        (b"\xef\xbb\xbf <svg/>", LOGO, "SVG drawing: it can hold programs"),
        (b"PK\x03\x04" + bytes(100), LOGO, "This is an archive"),
        (b"", LOGO, "no PNG, JPEG, WebP, GIF or ICO"),
        (b"BM" + bytes(100), LOGO, "whatever its name says"),
        (drawn()[:60], LOGO, "damaged"),
        (b"\x89PNG\r\n\x1a\n" + b"\xff" * 200, LOGO, "damaged"),
        (b"RIFF" + bytes(100), LOGO, "damaged"),
        (b"\x00\x00\x01\x00" + b"\xff" * 60, FAVICON, "damaged"),
        (png_bomb(5000), LOGO, "more than 16 million pixels"),
        (png_bomb(60_000), LOGO, "more than 16 million pixels"),
        (drawn() + bytes(1 << 20), LOGO, "at most 1.0"),
        (drawn((300, 100)), FAVICON, "300 × 100 pixels"),
    ],
)
def test_what_is_refused_is_told(data, kind, words):
    with pytest.raises(ValidationError) as refusal:
        picture(data, kind)

    assert words in refusal.value.messages[0]
