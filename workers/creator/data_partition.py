"""Makes the data partition anew, larger: what the base image had there, then the content of the recipe."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final
from urllib.parse import urlsplit

from workers.creator.base import BaseImage
from workers.creator.digest import new_digest
from workers.creator.epoch import EPOCH
from workers.creator.fetch import Fetcher
from workers.creator.plan import Item, Sizes
from workers.errors import JobError
from workers.imaging.ext4 import Ext4, Facts, Superblock
from workers.imaging.ext4_fill import Ext4Fill, Owner, PlacedFile
from workers.imaging.ext4_tools import Ext4Identity, check_ext4, make_ext4
from workers.imaging.manifest import Content
from workers.report import Report

_FILE: Final = Owner(EPOCH, mode=0o644)
_FOLDER: Final = Owner(EPOCH, mode=0o755)
_OWN: Final = "/lost+found"  # every ext4 brings its own


@dataclass(frozen=True)
class Kept:
    """Something of the base's data partition that goes along."""

    path: str
    facts: Facts


def keep_of(base: BaseImage, items: list[Item]) -> list[Kept]:
    """What the base image has on its data partition; a file that the recipe brings too is left out."""
    check_ext4(base.path, base.data.start)
    replaced = {item.path for item in items}
    with Ext4(base.path, base.data.start) as old:
        return [kept for kept in _content(old) if not (kept.path in replaced and _is_file(kept))]


def format_data(image: Path, base: BaseImage, sizes: Sizes) -> None:
    """A new file system over the partition's place, which must be a hole; label and UUID stay the base's."""
    known = Superblock.read(base.path, base.data.start)
    identity = Ext4Identity(known.label, known.uuid, known.hash_seed)
    make_ext4(image, base.data.start, sizes.data, identity, now=EPOCH, inodes=sizes.inodes)


def fill_data(
    image: Path, base: BaseImage, kept: list[Kept], items: list[Item], fetcher: Fetcher, report: Report
) -> list[Content]:
    """Bring everything along; the content's facts for the manifest. Progress counts content bytes."""
    contents, done = [], 0
    with Ext4Fill(image, base.data.start, now=EPOCH) as new:
        _carry_over(base, kept, new, report)
        for item in items:
            report.check()
            file = new.create(item.path, item.size, _FILE, folders=_FOLDER)
            sha256 = _bring(item, file, fetcher, done)
            done += item.size
            report.progress(done)
            contents.append(Content(to=item.to, size=item.size, sha256=sha256, source=_public(item)))
    return contents


def _bring(item: Item, file: PlacedFile, fetcher: Fetcher, done: int) -> str:
    if item.data is not None:
        _check_inline(item, item.data)
        file.write(item.data)
        return hashlib.sha256(item.data).hexdigest()
    if item.place is not None:  # its checksum was proved when it arrived
        return fetcher.copy(item.place, file, size=item.size, done_before=done).sha256
    return fetcher.fetch(item.source, file, size=item.size, checksum=item.checksum, done_before=done).sha256


def _check_inline(item: Item, data: bytes) -> None:
    if item.checksum is None or item.checksum.kind != "digest":
        return
    digest = new_digest(item.checksum.algo)
    digest.update(data)
    if digest.hexdigest() != item.checksum.value.lower():
        raise JobError(
            "checksum_mismatch",
            f"the content of {item.to} has the {item.checksum.algo} {digest.hexdigest()}, "
            f"the recipe wants {item.checksum.value}; correct one of them",
        )


def _content(old: Ext4) -> Iterator[Kept]:
    root = old.find("/")
    if root is not None:
        yield Kept("/", root)
    for path, facts in old.walk():
        if path == _OWN or path.startswith(f"{_OWN}/"):
            continue
        if stat.S_IFMT(facts.mode) not in {stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK}:
            raise JobError(
                "bad_base",
                f"{path} on the base image's data partition is no file, folder or link; remove it there",
            )
        yield Kept(path, facts)


def _carry_over(base: BaseImage, kept: list[Kept], new: Ext4Fill, report: Report) -> None:
    with Ext4(base.path, base.data.start) as old:
        for each in kept:
            report.check()
            facts = each.facts
            owner = Owner(facts.mtime, facts.permissions, facts.uid, facts.gid)
            if stat.S_ISDIR(facts.mode):
                new.makedirs(each.path, owner)
                new.own(each.path, owner)
            elif stat.S_ISLNK(facts.mode):
                new.symlink(each.path, old.target(facts), owner, folders=_FOLDER)
            else:
                file = new.create(each.path, facts.size, owner, folders=_FOLDER)
                for piece in old.pieces(facts.number):
                    file.write(piece)


def _public(item: Item) -> str:
    """Where it came from, for everybody to read: of a path on this machine only the name."""
    return item.source if urlsplit(item.source).scheme in {"http", "https"} else PurePath(item.source).name


def _is_file(kept: Kept) -> bool:
    return not stat.S_ISDIR(kept.facts.mode)
