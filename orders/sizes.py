"""How many bytes an image needs, and which media are large enough."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.conf import settings

from orders.models import Configuration, Media

BLOCK: Final = 4096
SPARE_BYTES: Final = 64 * 1024 * 1024  # journal, inode tables of a small partition, directories
SPARE_SHARE: Final = 0.03  # what the file system keeps of the rest for itself, rounded up


def needed_bytes(base: int, contents: Iterable[int]) -> int:
    """Bytes that an image with files of these sizes takes: base, files in whole blocks, the file system's.

    The margin is 64 MiB + 3 %. The creator computes the exact size again before it downloads anything.
    """
    plain = base + sum(-(-size // BLOCK) * BLOCK for size in contents)
    return plain + SPARE_BYTES + int(plain * SPARE_SHARE)


def needed_by(configuration: Configuration) -> int:
    """Bytes that the image of this configuration takes."""
    return needed_bytes(settings.BASE_IMAGE_BYTES, [content.size for content in configuration.contents.all()])


def smallest_fitting(kind: str, size: int) -> Media | None:
    """The smallest media of that kind which holds `size` bytes, if any does."""
    return Media.objects.filter(kind=kind, active=True, bytes__gte=size).order_by("bytes").first()
