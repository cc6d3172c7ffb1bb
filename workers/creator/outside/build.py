"""Builds an image with the original program, `image-creator`, on hosts whose operators chose it."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.request import getproxies

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from workers import mounts
from workers.contract import Step
from workers.creator.build import check_name
from workers.creator.disk import check_disk
from workers.creator.emit import BUILDER, Built, Label, emit
from workers.creator.outside import leash, program
from workers.creator.outside.listener import Gauge, Listener, check_size
from workers.creator.outside.secrets import secrets_of, secrets_of_address, spellings
from workers.creator.outside.sources import check_sources
from workers.creator.recipe import Recipe, read_recipe
from workers.creator.settings import Backend, Settings, settings_of
from workers.creator.workplace import disk_errors, work_folder
from workers.errors import HostError, JobError, WorkError
from workers.logs import Scrubber
from workers.report import Report

_LONGEST_WORDS: Final = 3000
_BAD_REQUIREMENTS, _BAD_INPUTS, _BAD_URLS = 2, 3, 4  # its exit codes
_WAY_OUT: Final = f"or build with CREATOR_BACKEND={Backend.BUILTIN}"


def build(
    recipe_text: str,
    out_dir: Path,
    *,
    name: str,
    signing_key: Ed25519PrivateKey,
    report: Report,
    settings: Settings,
    cache_dir: Path,
    torrent: bool = False,
) -> Built:
    """The same files in `out_dir` as our own builder makes, all or none. JobError, HostError."""
    check_name(name)
    require(settings)
    with disk_errors(out_dir), work_folder(out_dir, name) as work:
        image = work / f"{name}.img"
        recipe = _run(recipe_text, image, cache_dir, settings, report)
        check_image(image, _limit(recipe, settings))
        digest = hashlib.sha256(recipe_text.encode()).hexdigest()
        label = Label(name, digest, (), builder=f"{BUILDER} with image-creator", torrent=torrent)
        try:
            return emit(image, out_dir, label, signing_key=signing_key, report=report)
        except JobError as error:  # the image is the builder's work, not the order's
            raise HostError("builder_no_image", f"image-creator made a bad image: {error.message}") from error


def check(recipe_text: str, *, report: Report, settings: Settings, cache_dir: Path, work_in: Path) -> None:
    """Let it check the recipe and its sources (`-C`), and build nothing. JobError, HostError."""
    require(settings)
    with disk_errors(work_in), work_folder(work_in, "check") as work:
        _run(recipe_text, work / "check.img", cache_dir, settings, report, "-C")


def require_backend(table: Mapping[str, object]) -> None:
    """HostError unless the settings of this creator are good, and the builder they choose can run here."""
    settings = settings_of(table)
    if settings.backend is Backend.IMAGE_CREATOR:
        require(settings)


def require(settings: Settings) -> None:
    """HostError unless this host can run it at all."""
    if shutil.which(settings.image_creator) is None:
        raise HostError(
            "builder_missing",
            f"There is no program {settings.image_creator}: install image-creator, name it in "
            f"IMAGER_IMAGE_CREATOR, {_WAY_OUT}.",
        )
    if os.geteuid() != 0:
        raise HostError(
            "needs_root",
            f"image-creator needs root (loop devices, mounts), this is user {os.geteuid()}: start this "
            f"creator as root, {_WAY_OUT}.",
        )


def check_image(image: Path, limit: int) -> None:
    """HostError unless a file of at most `limit` bytes is there."""
    try:
        facts = image.lstat()
    except FileNotFoundError:
        facts = None
    if facts is None or not stat.S_ISREG(facts.st_mode) or facts.st_size == 0:
        raise HostError(
            "builder_no_image",
            f"image-creator ended without an error, but made no image: update it, {_WAY_OUT}.",
        )
    check_size(image, limit)


def failure_of(code: int, words: str) -> WorkError | None:
    """What an exit code of image-creator means; None for success. `words`: its last ones."""
    words = words[-_LONGEST_WORDS:]
    if code == 0:
        return None
    if code == _BAD_REQUIREMENTS:
        text = f"This host lacks what image-creator needs; install that, {_WAY_OUT}. It says:\n{words}"
        return HostError("builder_requirements", text)
    if code == _BAD_INPUTS:
        return JobError("bad_recipe", f"image-creator refuses the recipe; correct it. It says:\n{words}")
    if code == _BAD_URLS:
        text = f"image-creator cannot reach what the recipe names; correct the addresses. It says:\n{words}"
        return JobError("bad_source", text)
    if code in (leash.MISSING, leash.UNUSABLE):
        return HostError("builder_missing", f"image-creator cannot be started, {_WAY_OUT}. It says:\n{words}")
    how = f"was killed by signal {code - leash.SIGNALED}" if code > leash.SIGNALED else f"failed ({code})"
    return HostError(
        "builder_failed", f"image-creator {how}; try again, {_WAY_OUT}. Its last words:\n{words}"
    )


def _run(
    recipe_text: str, image: Path, cache_dir: Path, settings: Settings, report: Report, *flags: str
) -> Recipe:
    """Its recipe, once `image` is made; beside this the folder in which it works."""
    report.step(Step.CHECKING)
    recipe = read_recipe(recipe_text)
    if recipe.per_card:
        raise JobError("not_supported", f"image-creator makes no `per_card` files; leave them out {_WAY_OUT}")
    check_sources(recipe, settings.rules)
    limit = _limit(recipe, settings)
    if not flags:
        check_disk(image.parent, recipe.output.bytes or 0)
    folder, source = image.parent / "build", image.parent / "recipe.yaml"
    folder.mkdir()
    cache_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write_private(source, recipe_text)
    places = ["--build-dir", str(folder), "--cache-dir", str(cache_dir)]
    argv = [settings.image_creator, *places, "--max-size", str(limit), *flags, str(source), str(image)]
    proxies = (text for url in getproxies().values() for text in secrets_of_address(url))
    secrets = secrets_of(recipe) | {way for text in proxies for way in spellings(text)}
    listener = Listener(Scrubber(secrets), report)
    gauge = Gauge(listener, image, folder, limit, report)
    try:
        code = program.run(argv, folder, take=listener.take, tick=gauge.tick)
    finally:
        mounts.let_go(image.parent)
    if failure := failure_of(code, listener.last_words):
        raise failure
    return recipe


def _limit(recipe: Recipe, settings: Settings) -> int:
    return min(recipe.output.bytes or settings.max_image, settings.max_image)


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
