"""What a build will put where, and how large the image gets: known before any content is fetched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from workers.creator.base import BaseImage
from workers.creator.fetch import Fetcher
from workers.creator.recipe import DATA, Checksum, File, Recipe
from workers.errors import JobError
from workers.imaging.ext4_sizes import Load, inodes_for, smallest_size
from workers.imaging.ext4_tools import BLOCK
from workers.imaging.ranges import GRID
from workers.imaging.sizes import exact
from workers.report import Report

ROOM_TO_WORK: Final = 10  # percent of the content, added where the recipe leaves the size to us
_LARGEST_PARTITION: Final = 0xFFFF_FFFF * 512


@dataclass(frozen=True)
class Item:
    """One file for the data partition. `path` is as the partition sees it, without `/data`."""

    to: str
    path: str
    size: int
    source: str
    data: bytes | None = None  # of a file that is written in the recipe itself
    checksum: Checksum | None = None
    place: Path | None = None  # of a file that had to be fetched early


@dataclass(frozen=True)
class Sizes:
    """Bytes of the image and of its data partition, and the inodes to format that with."""

    image: int
    data: int
    inodes: int


class _Spool:
    """A file in the work folder for content whose size no server tells."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb")

    def write(self, data: bytes | memoryview, /) -> None:
        self._file.write(data)

    def rewind(self) -> None:
        self._file.seek(0)
        self._file.truncate()

    def close(self) -> None:
        self._file.close()


def list_items(recipe: Recipe, text: str, fetcher: Fetcher, report: Report) -> list[Item]:
    """All files of the recipe with their sizes, asked of their servers; -1 where the server does not tell."""
    items = []
    for number, file in enumerate(recipe.files):
        report.check()
        items.append(_item(file, number, fetcher))
    if recipe.write_config:
        data = text.encode()
        items.append(Item(f"{DATA}/image.yaml", "/image.yaml", len(data), "recipe", data))
    return items


def measure(items: list[Item], work: Path, fetcher: Fetcher) -> list[Item]:
    """The same items, all with their size: those that hide it are fetched now."""
    return [
        _spooled(item, work, number, fetcher) if item.size < 0 else item for number, item in enumerate(items)
    ]


def check_at_first_sight(recipe: Recipe, items: list[Item]) -> None:
    """Refuse what cannot fit, whatever the base image holds, before anything is fetched."""
    known = Load.of((item.path, item.size) for item in items if item.size >= 0)
    least = smallest_size(known) + (recipe.base.rootfs_size or 0)
    if recipe.output.size is not None and least > recipe.output.size:
        raise _too_large(least, recipe.output.size)


def decide_sizes(recipe: Recipe, base: BaseImage, load: Load) -> Sizes:
    """The image's size, by the recipe or as needed; JobError `too_large` names what is needed and allowed."""
    start = base.data.start
    least = start + smallest_size(load)
    wanted = recipe.output.size
    if wanted is None:
        image = -(-(start + smallest_size(load.with_room(ROOM_TO_WORK))) // GRID) * GRID
    else:
        image = wanted // BLOCK * BLOCK
    if image < least:
        raise _too_large(least, wanted or image)
    data = (image - start) // BLOCK * BLOCK
    if data > _LARGEST_PARTITION:
        raise JobError(
            "too_large", f"an MBR partition has at most {_LARGEST_PARTITION} bytes; choose a smaller size"
        )
    return Sizes(image, data, inodes_for(data, load))


def _item(file: File, number: int, fetcher: Fetcher) -> Item:
    path = file.to.removeprefix(DATA)
    if file.url is None:
        data = file.inline()
        return Item(file.to, path, len(data), "recipe", data, file.checksum)
    told = fetcher.size(file.url)
    if told is not None and file.size is not None and told != file.size:
        raise JobError(
            "size_mismatch",
            f"files[{number}].size says {file.size} bytes, its server {told}; correct the recipe",
        )
    size = file.size if told is None else told
    return Item(file.to, path, -1 if size is None else size, file.url, None, file.checksum)


def _spooled(item: Item, work: Path, number: int, fetcher: Fetcher) -> Item:
    place = work / f"spool.{number}"
    spool = _Spool(place)
    try:
        got = fetcher.fetch(item.source, spool, checksum=item.checksum)
    finally:
        spool.close()
    return replace(item, size=got.size, place=place)


def _too_large(needed: int, allowed: int) -> JobError:
    return JobError(
        "too_large",
        f"the image needs at least {exact(needed)}, output.size allows {exact(allowed)}; "
        "choose a larger size or less content",
    )
