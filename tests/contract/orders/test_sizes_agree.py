"""What the orders room accepts, the creator can build: its exact size never exceeds our estimate."""

from __future__ import annotations

import pytest

from orders.models import Configuration
from orders.recipe import recipe
from orders.sizes import needed_by, needed_bytes
from tests.unit.orders.test_software import ZIM, whole
from workers.creator.plan import load_of
from workers.creator.recipe import File, read_recipe
from workers.imaging.ext4_sizes import Load, smallest_size

BASE = 40 * 1024 * 1024
GB = 10**9


@pytest.mark.parametrize(
    "sizes",
    [
        [],
        [1],
        [0] * 100,
        [1] * 1000,
        [4097] * 1000,
        [100_000_000],
        [7 * GB],
        [GB] * 14,
        [100 * GB, 15 * GB],
        [GB] * 450,
        [900 * GB, 50 * GB],
    ],
    ids=lambda sizes: f"{len(sizes)} files, {sum(sizes)} bytes",
)
def test_the_estimate_is_enough(sizes):
    files = [(f"/zims/some content of the catalogue {n}.zim", size) for n, size in enumerate(sizes)]

    assert BASE + smallest_size(Load.of(files)) <= needed_bytes(BASE, sizes)


def test_programs_logos_and_archives_fit_in_the_estimate(settings):
    settings.HOTSPOT_SOFTWARE = True
    settings.BASE_IMAGE_BYTES = BASE
    described = Configuration(**whole(), admin_password="admin-password")

    read = read_recipe(recipe(described, [ZIM], size=64 * GB))

    files = [(file.to, _bytes(file, settings.KIWIX_READER_BYTES)) for file in read.files]
    files += [(image.to, image.filesize) for image in read.oci_images]
    assert BASE + smallest_size(load_of(read, files)) <= needed_by(described, [ZIM])


def _bytes(file: File, reader: int) -> int:
    if file.content is not None:
        return len(file.inline())
    return file.size or reader
