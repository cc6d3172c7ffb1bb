"""Builds an image from a recipe, without root, loop devices or mounts: `python -m workers.creator.build`.

The same recipe, base image and content give the same image, container and block map, byte for byte.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from workers.contract import Step, fill_in
from workers.creator import carry
from workers.creator.base import BaseImage, base_size, copy_sparse, get_base
from workers.creator.cache.door import open_cache
from workers.creator.content import fill
from workers.creator.crew import all_of
from workers.creator.data_partition import format_data
from workers.creator.depot import Depot
from workers.creator.emit import Built, Label, emit
from workers.creator.epoch import EPOCH
from workers.creator.fetch import Fetcher
from workers.creator.inputs import Images, Store
from workers.creator.oci.pull import Puller
from workers.creator.plan import (
    Item,
    Sizes,
    check_at_first_sight,
    decide_sizes,
    list_items,
    load_of,
    streamed,
)
from workers.creator.recipe import Recipe, read_recipe
from workers.creator.rules import TERMINAL, Rules
from workers.creator.stream import Unplanned
from workers.creator.workplace import disk_errors, work_folder
from workers.errors import JobError
from workers.imaging import manifest, table
from workers.imaging.ext4_tools import check_ext4
from workers.imaging.fat import Fat
from workers.imaging.per_card import UNSET
from workers.imaging.sparse import data_ranges
from workers.report import Report

LARGEST_BASE: Final = 1 << 40
CONFIG_NAME: Final = "offspot.yaml"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")


@dataclass(frozen=True)
class Checked:
    """A recipe that can be built, as far as this is known before the base image is read."""

    recipe: Recipe
    items: list[Item]
    base_size: int | None
    least: int  # bytes of the image, with the root file system that the recipe tells


def build(
    recipe_text: str,
    out_dir: Path,
    *,
    name: str,
    signing_key: Ed25519PrivateKey,
    report: Report,
    allow_local: bool = False,
    rules: Rules | None = None,
    cache_dir: Path | None = None,
    store: Store | None = None,
    images: Callable[[Fetcher], Images] = Puller,
    torrent: bool = False,
) -> Built:
    """Make `NAME.img.zst`, `.img.bmap`, `.manifest.json` and `.manifest.json.sig` in `out_dir`.

    With `torrent`, `.img.zst.torrent` too. All or, on any failure, none. `rules`: what the recipe may reach;
    `allow_local` are those of a person at the terminal. `store` keeps content for the next build (that
    of `cache_dir`, if none is given); `images` brings container images.
    """
    check_name(name)
    rules = rules or (TERMINAL if allow_local else Rules())
    with (
        disk_errors(out_dir),
        work_folder(out_dir, name) as work,
        closing(Fetcher(report, rules=rules)) as fetcher,
    ):
        puller = images(fetcher)
        if store is None and cache_dir is not None:
            store = open_cache(cache_dir, report)
        checked = check(recipe_text, fetcher, report, puller)
        image = work / f"{name}.img"
        with Depot(work, fetcher, report, store, puller) as depot:
            contents, per_card = _make_image(image, checked, depot, fetcher, report)
        digest = hashlib.sha256(recipe_text.encode()).hexdigest()
        label = Label(name, digest, tuple(contents), per_card=per_card, torrent=torrent)
        return emit(image, out_dir, label, signing_key=signing_key, report=report)


def check(recipe_text: str, fetcher: Fetcher, report: Report, images: Images | None = None) -> Checked:
    """Read the recipe and ask for all its sources, without fetching them."""
    report.step(Step.CHECKING)
    recipe = read_recipe(recipe_text)
    recipe = recipe.model_copy(update={"base": recipe.base.at(fetcher.rules.base_mirror)})
    size = all_of([lambda: base_size(recipe.base, fetcher)], width=1, report=report, cut=fetcher.cut)[0]
    items = list_items(recipe, recipe_text, fetcher, report, images or Puller(fetcher))
    return Checked(recipe, items, size, check_at_first_sight(recipe, items))


def check_name(name: str) -> None:
    """JobError `bad_name` unless the name can be the stem of four file names anywhere."""
    if not _NAME.fullmatch(name):
        raise JobError(
            "bad_name",
            f"{name!r} cannot name an image; use up to 120 letters, digits, dots, dashes and underscores",
        )


def _make_image(
    image: Path, checked: Checked, depot: Depot, fetcher: Fetcher, report: Report
) -> tuple[list[manifest.Content], tuple[manifest.PerCard, ...]]:
    recipe, work = checked.recipe, image.parent
    depot.check_disk(2 * sum(item.size for item in checked.items if item.size > 0))
    report.step(Step.FETCHING, checked.base_size)
    limit = recipe.output.bytes or LARGEST_BASE
    base = depot.all_of(
        [lambda: get_base(recipe.base, work, fetcher, limit=limit, keep=depot.keep, size=checked.base_size)]
    )[0]
    there = carry.content_of(base, report.check)
    items = streamed(recipe, checked.items, {each.path for each in there})
    try:
        made = _fill(image, base, there, items, recipe, depot, report)
    except Unplanned as why:
        report.log(f"{why}: the archives are fetched now before they are unpacked")
        image.unlink()
        fetcher.go_on()
        made = _fill(image, base, there, checked.items, recipe, depot, report)
    report.step(Step.BUILDING)
    check_ext4(image, base.data.start, report.check)
    return made


def _fill(
    image: Path,
    base: BaseImage,
    there: list[carry.Kept],
    items: list[Item],
    recipe: Recipe,
    depot: Depot,
    report: Report,
) -> tuple[list[manifest.Content], tuple[manifest.PerCard, ...]]:
    """The image with all content. `Unplanned` if that cannot be with archives that are still to come."""
    report.step(Step.FETCHING, sum(item.size for item in items if item.via and not item.streamed))
    items = depot.measure(items)
    held = [each for item in items for each in item.holds]
    kept = carry.without(there, {path for path, _ in held})
    before = [(each.path, each.facts.size) for each in kept[1:]]
    sizes = decide_sizes(recipe, base, load_of(recipe, [*before, *held]))
    depot.check_disk(_bytes_ahead(base, held))
    report.step(Step.BUILDING, base.data.start)
    _copy_base(image, base, sizes, report)
    per_card = _fill_boot(image, base, recipe)
    contents = fill(image, base, kept, items, depot, report)
    held = [each for item in items for each in item.holds]  # now that all of it is known
    if decide_sizes(recipe, base, load_of(recipe, [*before, *held])) != sizes:
        raise Unplanned("there are more files than it looked like")
    return contents, per_card


def _fill_boot(image: Path, base: BaseImage, recipe: Recipe) -> tuple[manifest.PerCard, ...]:
    """The hotspot's configuration, and files that will be different on each card, with their places."""
    if recipe.offspot is None and not recipe.per_card:
        return ()
    with Fat(image, base.boot.start, writable=True) as boot:
        if recipe.offspot is not None:
            boot.write(CONFIG_NAME, config_page(recipe.offspot), now=EPOCH)
        for each in recipe.per_card:
            _must_be_new(boot, each.to)
            boot.write(each.to, fill_in(each.content, UNSET).encode(), now=EPOCH)
        placed = [(each, *boot.places(each.to)) for each in recipe.per_card]
    return tuple(
        manifest.PerCard(to=each.to, content=each.content, at=at, size_at=size_at)
        for each, at, size_at in placed
    )


def _must_be_new(boot: Fat, path: str) -> None:
    """What the base brings along, the computer boots from."""
    parts = path.split("/")
    for count in range(1, len(parts) + 1):
        found = boot.find("/".join(parts[:count]))
        if found is None:
            return
        if not found.folder or count == len(parts):
            raise JobError(
                "taken",
                f"per_card: {path} is part of the base image already, and cards would not start without it; "
                "choose another name",
            )


def _copy_base(image: Path, base: BaseImage, sizes: Sizes, report: Report) -> None:
    """Everything but the data partition, which becomes a larger, empty one at the same place."""
    with image.open("xb") as file:
        file.truncate(sizes.image)
    copy_sparse(base.path, image, base.data.start, report)
    table.resize(image, 3, sizes.data)
    check_ext4(image, base.root.start, report.check)
    format_data(image, base, sizes, report)


def _bytes_ahead(base: BaseImage, held: list[tuple[str, int]]) -> int:
    """The image without its holes, and the container, which is hardly ever larger."""
    with base.path.open("rb") as file:
        copied = sum(each.length for each in data_ranges(file.fileno(), base.size))
    return 2 * (copied + sum(size for _, size in held))


class _Plain(yaml.SafeDumper):
    """Writes repeated values out, so that every reader understands them."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def config_page(offspot: dict[str, Any]) -> bytes:
    """The hotspot's own configuration, as it lies on the boot partition."""
    page: bytes = yaml.dump(offspot, Dumper=_Plain, sort_keys=False, allow_unicode=True, encoding="utf-8")
    return page


if __name__ == "__main__":
    from workers.creator.cli import main

    sys.exit(main())
