"""What a build will put where, and how large the image gets: known before any content is fetched."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from workers.creator.base import BaseImage
from workers.creator.crew import all_of
from workers.creator.fetch import Fetcher
from workers.creator.inputs import Images, Told
from workers.creator.members import Member, is_unwanted
from workers.creator.recipe import DATA, Checksum, File, OciImage, Recipe
from workers.creator.remote import zip_sizes
from workers.errors import JobError
from workers.imaging.container.format import MAX_IMAGE
from workers.imaging.ext4_sizes import Load, inodes_for, smallest_size
from workers.imaging.ext4_tools import BLOCK
from workers.imaging.ranges import GRID
from workers.imaging.sizes import exact
from workers.report import Report

ROOM_TO_WORK: Final = 10  # percent of the content, added where the recipe leaves the size to us
UNFOLDED: Final = 3  # times its packed size: what a packed tar is taken for until it is fetched
_ASKED_AT_ONCE: Final = 8


@dataclass(frozen=True)
class Item:
    """One file or archive for the data partition. `path` is as the partition sees it, without `/data`."""

    to: str
    path: str
    size: int  # of the file, or of the packed archive; -1: nobody tells
    source: str
    data: bytes | None = None  # of a file that is written in the recipe itself
    checksum: Checksum | None = None
    via: str = ""  # how an archive is packed
    image: OciImage | None = None
    told: Told = field(default_factory=Told)
    outline: tuple[tuple[str, int], ...] = ()  # of an archive: (path, size) of what it holds, as far as known
    place: Path | None = None  # of content that had to be fetched early
    sha256: str = ""  # of that
    members: tuple[Member, ...] = ()
    streamed: bool = False  # an archive that is unpacked while it arrives

    @property
    def holds(self) -> list[tuple[str, int]]:
        """(path, size) of all that it puts on the partition."""
        if not self.via:
            return [(self.path, max(self.size, 0))]
        if self.members:
            return [(f"{self.path}/{each.path}", _room(each)) for each in self.members]
        return [(f"{self.path}/{path}", size) for path, size in self.outline]


@dataclass(frozen=True)
class Sizes:
    """Bytes of the image and of its data partition, and the inodes to format that with."""

    image: int
    data: int
    inodes: int


def list_items(
    recipe: Recipe, text: str, fetcher: Fetcher, report: Report, images: Images | None = None
) -> list[Item]:
    """All that the recipe brings, with sizes as asked of the servers; -1 where a server does not tell."""
    jobs: list[Callable[[], Item]] = [
        partial(_item, file, number, fetcher) for number, file in enumerate(recipe.files)
    ]
    jobs += [partial(_image, image, fetcher, images) for image in recipe.oci_images]
    items = all_of(jobs, width=_ASKED_AT_ONCE, report=report, cut=fetcher.cut)
    if recipe.write_config:
        data = text.encode()
        items.append(Item(f"{DATA}/image.yaml", "/image.yaml", len(data), "recipe", data))
    return items


def load_of(recipe: Recipe, files: Iterable[tuple[str, int]]) -> Load:
    """What the file system must hold: the files, and room for container images when they unfold there."""
    load = Load.of(files)
    later = sum(-(-image.fullsize // BLOCK) for image in recipe.oci_images)
    return Load(load.blocks + later, load.inodes)


def smallest_image(recipe: Recipe, items: Iterable[Item], start: int) -> int:
    """Bytes that the image needs at least, with `start` bytes before its data partition."""
    return start + smallest_size(load_of(recipe, [each for item in items for each in item.holds]))


def check_at_first_sight(recipe: Recipe, items: list[Item]) -> int:
    """Refuse what cannot fit, whatever the base image holds, before anything is fetched; what it needs."""
    least = smallest_image(recipe, items, recipe.base.rootfs_size or 0)
    allowed = recipe.output.bytes
    _check_possible(max(least, allowed or 0))
    if allowed is not None and least > allowed:
        raise _too_large(least, allowed)
    return least


def streamed(recipe: Recipe, items: Iterable[Item], there: Collection[str]) -> list[Item]:
    """The same items; archives that need not be at hand before the image is made say so.

    Tars of a known size, from where a cut transfer can go on, if the recipe gives the image's size and
    the base image has nothing in their folder (`there`: all its paths, most of which might be replaced).
    """

    def fits(item: Item) -> bool:
        known = item.via not in {"", "zip"} and item.size >= 0 and item.told.resumable
        return known and not any(path == item.path or path.startswith(f"{item.path}/") for path in there)

    return [
        replace(item, streamed=recipe.output.bytes is not None and not item.members and fits(item))
        for item in items
    ]


def decide_sizes(recipe: Recipe, base: BaseImage, load: Load) -> Sizes:
    """The image's size, by the recipe or as needed; JobError `too_large` names what is needed and allowed."""
    start = base.data.start
    least = start + smallest_size(load) + base.tail
    wanted = recipe.output.bytes
    if wanted is None:
        image = -(-(start + smallest_size(load.with_room(ROOM_TO_WORK)) + base.tail) // GRID) * GRID
    else:
        image = wanted // BLOCK * BLOCK
    _check_possible(image)
    if image < least:
        raise _too_large(least, wanted or image)
    data = (image - base.tail - start) // BLOCK * BLOCK
    if base.largest is not None and data > base.largest:
        raise JobError(
            "too_large", f"an MBR partition has at most {base.largest} bytes; choose a smaller size"
        )
    return Sizes(image, data, inodes_for(data, load))


def _room(member: Member) -> int:
    """Bytes of a member; its attributes may need a block of their own."""
    return (member.size or len(member.target)) + (BLOCK if member.attributes else 0)


def _item(file: File, number: int, fetcher: Fetcher) -> Item:
    path = file.to.removeprefix(DATA)
    if file.url is None:
        data = file.inline()
        return Item(file.to, path, len(data), "recipe", data, file.checksum)
    told = fetcher.look(file.url)
    checksum = fetcher.resolve(file.checksum)
    if file.is_archive:
        _check_limit(told.size, fetcher, f"the archive of files[{number}]")
        size = -1 if told.size is None else told.size
        outline = _outline(file, told, fetcher)
        return Item(
            file.to, path, size, file.url, checksum=checksum, via=file.via, told=told, outline=outline
        )
    if told.size is not None and file.size is not None and told.size != file.size:
        raise JobError(
            "size_mismatch",
            f"files[{number}].size says {file.size} bytes, its server {told.size}; correct the recipe",
        )
    found = file.size if told.size is None else told.size
    _check_limit(found, fetcher, f"files[{number}]")
    return Item(file.to, path, -1 if found is None else found, file.url, checksum=checksum, told=told)


def _outline(file: File, told: Told, fetcher: Fetcher) -> tuple[tuple[str, int], ...]:
    """The archive's own index where it has one; else what the recipe says, else a guess by its size."""
    if file.via == "zip" and told.size and file.url and fetcher.local_path(file.url) is None:
        listed = zip_sizes(fetcher.http, file.url, told.size)
        if listed is not None:
            return tuple((path, size) for path, size in listed if not is_unwanted(path))
    packed = told.size or 0
    guess = packed if file.via in {"tar", "zip"} else UNFOLDED * packed
    return (("content", file.size or guess),)


def _image(image: OciImage, fetcher: Fetcher, images: Images | None) -> Item:
    path = image.to.removeprefix(DATA)
    if image.url is not None:
        told = fetcher.look(image.url)
        source = image.url
    elif images is None:
        raise JobError(
            "not_supported",
            f"this host pulls no container images; give {image.ident} the `url` of its tar",
        )
    else:
        told, source = images.look(image), image.ident
    _check_limit(told.size, fetcher, f"the container image {image.ident}")
    size = -1 if told.size is None else told.size
    return Item(image.to, path, size, source, image=image, told=told)


def _check_limit(size: int | None, fetcher: Fetcher, where: str) -> None:
    limit = fetcher.rules.max_file
    if size is not None and size > limit:
        raise JobError(
            "too_large",
            f"{where} has {exact(size)}, this host takes files of up to {exact(limit)}; "
            "use a smaller one, or raise max_file of this host",
        )


def _check_possible(size: int) -> None:
    """What no container can hold is told before anything is done for it."""
    if size > MAX_IMAGE:
        raise JobError(
            "too_large",
            f"the image would have {exact(size)}, the largest possible has {exact(MAX_IMAGE)}; "
            "choose a smaller output.size or less content",
        )


def _too_large(needed: int, allowed: int) -> JobError:
    return JobError(
        "too_large",
        f"the image needs at least {exact(needed)}, output.size allows {exact(allowed)}; "
        "choose a larger size or less content",
    )
