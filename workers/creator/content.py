"""Fills the data partition: what the base image had there, the files of the recipe, what archives hold."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path, PurePath
from typing import Final
from urllib.parse import urlsplit

from workers.contract import Step
from workers.creator import carry
from workers.creator.base import BaseImage
from workers.creator.carry import Kept
from workers.creator.crew import Sum
from workers.creator.depot import Depot
from workers.creator.epoch import EPOCH
from workers.creator.inputs import Fetched
from workers.creator.members import Kind, Member
from workers.creator.plan import Item
from workers.imaging.ext4_inode import Owner
from workers.imaging.ext4_ways import Filler, open_fill
from workers.imaging.manifest import Content
from workers.report import Report

_FILE: Final = Owner(EPOCH, mode=0o644)
_FOLDER: Final = Owner(EPOCH, mode=0o755)


def fill(
    image: Path, base: BaseImage, kept: Collection[Kept], items: list[Item], depot: Depot, report: Report
) -> list[Content]:
    """All content into the new file system; its facts for the manifest, in the recipe's order.

    Places are given in a fixed order before anything arrives, so that the image is always the same,
    whatever comes first. Progress counts bytes of content.
    """
    with open_fill(image, base.data.start, now=EPOCH, log=report.log) as new:
        carry.carry_over(base, list(kept), new, _FOLDER, report)
        report.step(Step.FETCHING, sum(max(item.size, 0) for item in items if not item.via))
        plain = _bring(new, [item for item in items if not item.via], depot, report)
        packed = [item for item in items if item.via]
        report.step(Step.BUILDING, sum(each.size for item in packed for each in item.members))
        done = 0
        for item in packed:
            done = _unpack(new, item, depot, report, done)
    facts = iter(plain)
    return [_content(item, None if item.via else next(facts)) for item in items]


def _bring(new: Filler, items: list[Item], depot: Depot, report: Report) -> list[Fetched]:
    progress = Sum(report)
    jobs = []
    for item in items:
        report.check()
        file = new.create(item.path, item.size, _FILE, folders=_FOLDER)
        jobs.append(partial(depot.into, item, file, progress.part()))
    return depot.all_of(jobs)


def _unpack(new: Filler, item: Item, depot: Depot, report: Report, done: int) -> int:
    new.makedirs(item.path, _FOLDER)
    for member, pieces in depot.archive(item).contents():
        report.check()
        path = f"{item.path}/{member.path}"
        owner = Owner(member.mtime, member.permissions, member.uid, member.gid, member.nanoseconds)
        if member.kind is Kind.FILE:
            file = new.create(path, member.size, owner, folders=_FOLDER)
            for piece in pieces:
                report.check()
                file.write(piece)
                done += len(piece)
                report.progress(done)
        else:
            _put(new, item, member, path, owner)
        if member.attributes and member.kind in {Kind.FILE, Kind.FOLDER}:
            new.attribute(path, member.attributes)
    return done


def _put(new: Filler, item: Item, member: Member, path: str, owner: Owner) -> None:
    """What has no content of its own."""
    if member.kind is Kind.FOLDER:
        new.makedirs(path, owner)
        new.own(path, owner)
    elif member.kind is Kind.LINK:
        new.symlink(path, member.target, owner, folders=_FOLDER)
    else:
        new.hardlink(path, f"{item.path}/{member.target}", folders=_FOLDER)


def _content(item: Item, got: Fetched | None) -> Content:
    if got is None:
        got = Fetched(item.size, item.sha256)
    return Content(to=item.to, size=got.size, sha256=got.sha256, source=_public(item))


def _public(item: Item) -> str:
    """Where it came from, for everybody to read: of a path on this machine only the name."""
    if item.image is not None and item.image.url is None:
        return item.source
    return item.source if urlsplit(item.source).scheme in {"http", "https"} else PurePath(item.source).name
