"""Logos: what people upload is decoded, made small enough and written anew as PNG. Nothing else stays."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from PIL import Image, UnidentifiedImageError

from imager.sizes import apart
from orders.models import Upload

# What a file begins with, whatever its name says; Pillow's name for it.
MAGIC: Final = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"RIFF": "WEBP",
    b"\x00\x00\x01\x00": "ICO",
}
LARGEST: Final = {
    Upload.Kind.LOGO: (1600, 800),
    Upload.Kind.FAVICON: (512, 512),
}  # of what is kept, in pixels
SQUARE: Final = 1.1  # how much longer than the other a side of a square logo may be


@dataclass(frozen=True)
class Picture:
    """A PNG of our own making."""

    data: bytes
    width: int
    height: int


def picture(data: bytes, kind: Upload.Kind, *, limit: int | None = None) -> Picture:
    """The picture to keep, or ValidationError with a sentence that names the limit and the way out."""
    check_size(len(data), limit)
    known = next((name for start, name in MAGIC.items() if data.startswith(start)), None)
    if known is None:
        raise _refused(_what_else(data))
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return _decoded(data, known, kind)


def check_size(size: int, limit: int | None = None) -> None:
    """Before it is read: ValidationError if that many bytes are too many."""
    limit = settings.LOGO_BYTES if limit is None else limit
    if size > limit:
        has, most = apart(size, limit)
        words = {"has": has, "limit": most}
        raise _refused(_("The picture has %(has)s; at most %(limit)s are taken. Make it smaller.") % words)


def _decoded(data: bytes, known: str, kind: Upload.Kind) -> Picture:
    try:
        with Image.open(io.BytesIO(data), formats=[known]) as image:
            _check_pixels(image.size, kind)
            image.load()
            return _written(image, kind)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels() from error
    except (
        UnidentifiedImageError,
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        IndexError,
        KeyError,
    ) as error:
        raise _refused(_("The picture is damaged: it cannot be decoded. Save it again as PNG.")) from error


def _check_pixels(size: tuple[int, int], kind: Upload.Kind) -> None:
    """Before anything is decoded: the header says how large the picture gets."""
    width, height = size
    if width * height > settings.LOGO_PIXELS:
        raise _too_many_pixels()
    if min(size) < 1:
        raise _refused(_("The picture is empty. Choose another one."))
    if kind == Upload.Kind.FAVICON and max(size) > SQUARE * min(size):
        words = {"width": width, "height": height}
        raise _refused(
            _("The square logo has %(width)s × %(height)s pixels. Cut it to as many in width as in height.")
            % words
        )


def _written(image: Image.Image, kind: Upload.Kind) -> Picture:
    plain = image.convert("RGBA")
    plain.thumbnail(LARGEST[kind])
    if kind == Upload.Kind.FAVICON and plain.width != plain.height:
        plain = plain.resize((min(plain.size),) * 2)
    out = io.BytesIO()
    Image.frombytes("RGBA", plain.size, plain.tobytes()).save(out, "PNG", optimize=True)  # pixels alone
    return Picture(out.getvalue(), plain.width, plain.height)


def _what_else(data: bytes) -> str:
    start = data[:1000].lstrip().lower()
    if b"<svg" in start or start.startswith(b"<?xml"):
        return _("This is an SVG drawing: it can hold programs, so it is not taken. Export it as PNG.")
    if start.startswith(b"pk\x03\x04"):
        return _("This is an archive, and no picture. Unpack it first.")
    return _("This is no PNG, JPEG, WebP, GIF or ICO picture, whatever its name says. Save it as PNG.")


def _too_many_pixels() -> ValidationError:
    return _refused(
        _("The picture has more than %(limit)s million pixels. Make it smaller.")
        % {"limit": settings.LOGO_PIXELS // 1_000_000}
    )


def _refused(sentence: str) -> ValidationError:
    return ValidationError(sentence, "picture")
