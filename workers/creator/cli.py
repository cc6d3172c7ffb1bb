"""The command that builds an image with no server at all."""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import closing
from pathlib import Path

from workers.contract import ARTIFACT_SUFFIXES, TORRENT_SUFFIX
from workers.creator.build import Checked, build, check, check_name
from workers.creator.emit import Built
from workers.creator.fetch import Fetcher
from workers.creator.keys import load_key, own_key, own_key_path
from workers.creator.outside import build as outside
from workers.creator.recipe_yaml import MAX_BYTES
from workers.creator.rules import TERMINAL
from workers.creator.settings import Backend, Settings, settings_of
from workers.errors import Canceled, JobError, WorkError
from workers.imaging.manifest import public_hex
from workers.imaging.sizes import exact
from workers.terminal import TerminalReport


def main(arguments: list[str] | None = None) -> int:
    """0, or the exit code of whose fault it is; 2 is wrong usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    name: str = options.name or options.recipe.stem
    try:
        text = _read(options.recipe)
        check_name(name)
        settings = settings_of(base=TERMINAL)
        if options.check and settings.backend is Backend.IMAGE_CREATOR:
            return _check_outside(text, name, settings, options)
        if options.check:
            return _check(text, name, as_json=options.json)
        _refuse_existing(options.out, name)
        return _build(text, name, settings, options)
    except KeyboardInterrupt:  # the second one: the first asks the build to end
        sys.stderr.write("Canceled at once; the next build into that folder removes what this one left.\n")
        return Canceled.exit_code
    except WorkError as error:
        if options.json:
            sys.stdout.write(json.dumps(error.trouble()) + "\n")
        sys.stderr.write(f"{error.message}\n")
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m workers.creator.build", description="Build a card image from a recipe, without root."
    )
    parser.add_argument("recipe", type=Path, metavar="RECIPE.yaml")
    parser.add_argument("out", type=Path, metavar="OUT_DIR", help="folder for the four files of the image")
    parser.add_argument("--name", help="stem of the four files (the recipe's, if not given)")
    parser.add_argument(
        "--key",
        type=Path,
        help=f"PEM file of the Ed25519 key that signs (made once at {own_key_path()} if not given)",
    )
    parser.add_argument(
        "--check", action="store_true", help="check the recipe and its sources, build nothing"
    )
    parser.add_argument(
        "--torrent",
        action="store_true",
        help="make NAME.img.zst.torrent, too (without web seeds)",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1).decode("utf-8")
    except OSError as error:
        raise JobError("bad_recipe", f"the recipe {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise JobError("bad_recipe", f"the recipe {path} is not UTF-8 text; save it as such") from error


def _refuse_existing(out: Path, name: str) -> None:
    for suffix in (*ARTIFACT_SUFFIXES, TORRENT_SUFFIX):
        if (out / f"{name}{suffix}").exists():
            raise JobError(
                "exists", f"{out / (name + suffix)} exists already; remove it or give another --name"
            )


def _check(text: str, name: str, *, as_json: bool) -> int:
    with TerminalReport(name) as report, closing(Fetcher(report, allow_local=True)) as fetcher:
        checked = check(text, fetcher, report)
    if as_json:
        page = {
            "content_bytes": _content(checked),
            "files": len(checked.items),
            "base_bytes": checked.base_size,
            "least_bytes": checked.least,
        }
        sys.stdout.write(json.dumps(page) + "\n")
    else:
        sys.stdout.write(
            f"The recipe is good: {len(checked.items)} files with {exact(_content(checked))}; "
            f"the image needs at least {exact(checked.least)}.\n"
        )
    return 0


def _check_outside(text: str, name: str, settings: Settings, options: argparse.Namespace) -> int:
    with TerminalReport(name) as report:
        outside.check(text, report=report, settings=settings, cache_dir=_cache(), work_in=options.out)
    answer = json.dumps({"good": True}) if options.json else "The recipe is good, says image-creator."
    sys.stdout.write(f"{answer}\n")
    return 0


def _cache() -> Path:
    """Where image-creator keeps what it fetched for the person at the terminal."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if Path(home).is_absolute() else Path.home() / ".cache") / "imager/image-creator"


def _content(checked: Checked) -> int:
    return sum(item.size for item in checked.items if item.size > 0)


def _build(text: str, name: str, settings: Settings, options: argparse.Namespace) -> int:
    key = load_key(options.key) if options.key else own_key(own_key_path())
    with TerminalReport(name) as report:
        if settings.backend is Backend.IMAGE_CREATOR:
            built = outside.build(
                text,
                options.out,
                name=name,
                signing_key=key,
                report=report,
                settings=settings,
                cache_dir=_cache(),
                torrent=options.torrent,
            )
        else:
            built = build(
                text,
                options.out,
                name=name,
                signing_key=key,
                report=report,
                allow_local=True,
                torrent=options.torrent,
            )
    if options.json:
        sys.stdout.write(json.dumps(_page(built, public_hex(key))) + "\n")
        return 0
    sys.stdout.write(
        f"An image of {exact(built.image_size)}, {exact(built.mapped_bytes)} of it to be written:\n"
    )
    for facts in built.files:
        sys.stdout.write(f"  {options.out / facts['name']}  {exact(facts['size'])}\n")
    sys.stdout.write(f"Signed by {public_hex(key)}\n")
    return 0


def _page(built: Built, signing_key: str) -> dict[str, object]:
    return {
        "files": built.files,
        "image_size": built.image_size,
        "image_sha256": built.image_sha256,
        "mapped_bytes": built.mapped_bytes,
        "signing_key": signing_key,
    }
