"""Fills the data partition: what the base image had there, the files of the recipe, what archives hold."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePath
from typing import Final
from urllib.parse import urlsplit

from workers.contract import Step
from workers.creator import carry
from workers.creator.base import BaseImage
from workers.creator.carry import Kept
from workers.creator.crew import Crew, Sum
from workers.creator.depot import Depot
from workers.creator.epoch import EPOCH
from workers.creator.inputs import Fetched
from workers.creator.members import Kind, Member
from workers.creator.plan import Item
from workers.creator.stream import Pipe, Unplanned
from workers.errors import JobError
from workers.imaging.ext4_inode import Owner
from workers.imaging.ext4_ways import Filler, NewFile, open_fill
from workers.imaging.manifest import Content
from workers.report import Report

_FILE: Final = Owner(EPOCH, mode=0o644)
_FOLDER: Final = Owner(EPOCH, mode=0o755)


def fill(
    image: Path, base: BaseImage, kept: Collection[Kept], items: list[Item], depot: Depot, report: Report
) -> list[Content]:
    """All content into the new file system; its facts for the manifest, in the recipe's order.

    Places are given in a fixed order before anything arrives, so that the image is always the same,
    whatever comes first. Progress counts bytes of content. Archives that are unpacked while they arrive are
    replaced in `items` by themselves with all their members.
    """
    with open_fill(image, base.data.start, now=EPOCH, report=report) as new, depot.crew() as crew:
        carry.carry_over(base, list(kept), new, _FOLDER, report)
        coming = [item for item in items if item.streamed or not item.via]
        report.step(Step.FETCHING, sum(max(item.size, 0) for item in coming))
        progress = Sum(report)
        got = _begin(new, [item for item in items if not item.via], depot, crew, progress)
        for number, item in enumerate(items):
            if item.streamed:
                items[number], got[item.to] = _take_in(new, item, depot, crew, progress)
        crew.finish()
        _unpack_all(new, [item for item in items if item.via and not item.streamed], depot, report)
    return [_content(item, got[item.to].result() if item.to in got else None) for item in items]


def _begin(
    new: Filler, items: list[Item], depot: Depot, crew: Crew, progress: Sum
) -> dict[str, Future[Fetched]]:
    """Have plain files fetched to their places, which are given now."""
    jobs = {}
    for item in items:
        crew.check()
        file = new.create(item.path, item.size, _FILE, folders=_FOLDER)
        jobs[item.to] = crew.begin(partial(depot.into, item, file, progress.part()))
    return jobs


def _take_in(
    new: Filler, item: Item, depot: Depot, crew: Crew, progress: Sum
) -> tuple[Item, Future[Fetched]]:
    """Unpack a tar while it arrives; `Unplanned` if that cannot be. The item with what it held."""
    pipe = Pipe()

    def pour() -> Fetched:
        try:
            got = depot.into(item, pipe, progress.part())
        except BaseException as error:
            pipe.end(error)
            raise
        pipe.end()
        return got

    coming = crew.begin(pour)
    try:
        members = _unpack(new, item, depot.arriving(item).contents(pipe.pieces(crew.check)), crew.check)
    except JobError as error:
        if error.code == "bad_archive" and (item.checksum is not None or item.told.proved):
            for _ in pipe.pieces(crew.check):  # is it another file than the one that is wanted? Then say that
                pass
        raise
    finally:
        pipe.close()
    return replace(item, members=tuple(members)), coming


def _unpack_all(new: Filler, items: list[Item], depot: Depot, report: Report) -> None:
    report.step(Step.BUILDING, sum(each.size for item in items for each in item.members))
    done = 0

    def count(length: int) -> None:
        nonlocal done
        done += length
        report.progress(done)
        report.check()

    for item in items:
        _unpack(new, item, depot.archive(item).contents(report.check), report.check, count)


def _unpack(
    new: Filler,
    item: Item,
    contents: Iterator[tuple[Member, Iterator[bytes]]],
    check: Callable[[], None],
    count: Callable[[int], None] = lambda _: None,
) -> list[Member]:
    """What was unpacked. `count` hears of each piece."""
    new.makedirs(item.path, _FOLDER)
    members = []
    for member, pieces in contents:
        check()
        members.append(member)
        path = f"{item.path}/{member.path}"
        owner = Owner(member.mtime, member.permissions, member.uid, member.gid, member.nanoseconds)
        try:
            file = _put(new, item, member, path, owner)
        except JobError as error:
            if item.streamed and error.code == "too_large":  # so much was not expected
                raise Unplanned(error.message) from error
            raise
        if file is not None:
            for piece in pieces:
                check()
                file.write(piece)
                count(len(piece))
    return members


def _put(new: Filler, item: Item, member: Member, path: str, owner: Owner) -> NewFile | None:
    """Its place in the file system; that of a file is still to be filled."""
    file = None
    if member.kind is Kind.FILE:
        file = new.create(path, member.size, owner, folders=_FOLDER)
    elif member.kind is Kind.FOLDER:
        new.makedirs(path, owner)
        new.own(path, owner)
    elif member.kind is Kind.LINK:
        new.symlink(path, member.target, owner, folders=_FOLDER)
    else:
        new.hardlink(path, f"{item.path}/{member.target}", folders=_FOLDER)
    if member.attributes and member.kind in {Kind.FILE, Kind.FOLDER}:
        new.attribute(path, member.attributes)
    return file


def _content(item: Item, got: Fetched | None) -> Content:
    if got is None:
        got = Fetched(item.size, item.sha256)
    return Content(to=item.to, size=got.size, sha256=got.sha256, source=_public(item))


def _public(item: Item) -> str:
    """Where it came from, for everybody to read: of a path on this machine only the name."""
    if item.image is not None and item.image.url is None:
        return item.source
    return item.source if urlsplit(item.source).scheme in {"http", "https"} else PurePath(item.source).name
