"""How many bytes an image needs, and which media are large enough."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from django.conf import settings

from orders import software
from orders.models import Configuration, Content, Media

BLOCK: Final = 4096
SPARE_BYTES: Final = 64 * 1024 * 1024  # journal, inode tables of a small partition, directories
BUILDER_BYTES: Final = 4 * 1024 * 1024  # small files of the builder: pictures, lists, marks of folders
SPARE_SHARE: Final = 0.03  # what the file system keeps of the rest for itself, rounded up


def needed_bytes(base: int, contents: Iterable[int]) -> int:
    """Bytes that an image with files of these sizes takes: base, files in whole blocks, the file system's.

    The margin is 64 MiB + 3 %. The creator computes the exact size again before it downloads anything.
    """
    plain = base + sum(-(-size // BLOCK) * BLOCK for size in contents)
    return plain + SPARE_BYTES + int(plain * SPARE_SHARE)


def needed_by(configuration: Configuration, contents: Iterable[Content] | None = None) -> int:
    """Bytes that the image of this configuration takes, with these contents; by default with its own."""
    chosen = list(configuration.contents.all() if contents is None else contents)
    return needed_bytes(settings.BASE_IMAGE_BYTES, weights(configuration, chosen))


def weights(configuration: Configuration, contents: Sequence[Content]) -> list[int]:
    """Bytes of everything that is put on the card: contents, programs, readers, pictures, an archive."""
    found = [content.size for content in contents]
    if settings.HOTSPOT_SOFTWARE:
        found += [software.image_bytes(configuration, contents), BUILDER_BYTES]
    if configuration.option_kiwix_readers:
        found += [settings.KIWIX_READER_BYTES] * len(settings.KIWIX_READERS)
    for upload in (configuration.branding_logo, configuration.branding_favicon):
        found += [upload.size] * 2 if upload else []  # one for light grounds, one for dark
    archive = configuration.preload_zip.unpacked if configuration.preload_zip else configuration.preload_bytes
    return [*found, archive] if archive else found


def smallest_fitting(kind: str, size: int) -> Media | None:
    """The smallest media of that kind which holds `size` bytes, if any does."""
    return Media.objects.filter(kind=kind, active=True, bytes__gte=size).order_by("bytes").first()
