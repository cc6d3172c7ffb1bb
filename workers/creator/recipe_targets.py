"""What a recipe puts where: no place twice, and no file where a folder is needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from workers.creator.recipe_yaml import Lines, Path, bad, show

if TYPE_CHECKING:
    from workers.creator.recipe import Recipe


def check_targets(recipe: Recipe, lines: Lines) -> None:
    """JobError `bad_recipe` names the first two that are in each other's way."""
    taken: dict[str, Path] = {}
    folders = {file.to for file in recipe.files if file.is_archive}
    for where, to in _targets(recipe):
        if to in taken:
            raise bad(
                f"line {lines.of(where)}, {show(where)}: {to} is used by {show(taken[to][:2])} too; "
                "choose another path for one of them."
            )
        taken[to] = where
    for to, where in taken.items():
        parts = to.split("/")
        for end in range(3, len(parts)):
            above = "/".join(parts[:end])
            if above in taken and above not in folders:
                raise bad(
                    f"line {lines.of(where)}, {show(where)}: {above} is a file ({show(taken[above][:2])}) "
                    "and cannot be a folder too; rename one of them."
                )
    if recipe.write_config and "/data/image.yaml" in taken:
        where = taken["/data/image.yaml"]
        raise bad(
            f"line {lines.of(where)}, {show(where)}: `write_config` writes /data/image.yaml already; "
            "drop one of them."
        )


def _targets(recipe: Recipe) -> Iterator[tuple[Path, str]]:
    for number, file in enumerate(recipe.files):
        yield ("files", number, "to"), file.to
    for number, image in enumerate(recipe.oci_images):
        yield ("oci_images", number, "ident"), image.to
