"""What the base image has on its data partition, brought along into the new, larger one."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from workers.creator.base import BaseImage
from workers.errors import JobError
from workers.imaging.ext4 import Ext4, Facts
from workers.imaging.ext4_inode import Owner
from workers.imaging.ext4_tools import check_ext4
from workers.imaging.ext4_ways import Filler, NewFile, open_ext4
from workers.imaging.program import Check
from workers.imaging.ranges import Range
from workers.report import Report

_OWN: Final = "/lost+found"  # every ext4 brings its own


@dataclass(frozen=True)
class Kept:
    """Something of the base's data partition that goes along."""

    path: str
    facts: Facts


def content_of(base: BaseImage, check: Check) -> list[Kept]:
    """What the base image has on its data partition, which must be clean."""
    check_ext4(base.path, base.data.start, check)
    with open_ext4(base.path, base.data.start) as old:
        return list(_content(old, check))


def without(there: list[Kept], replaced: set[str]) -> list[Kept]:
    """The same but for the files that the recipe brings too."""
    return [kept for kept in there if kept.path not in replaced or _is_folder(kept)]


def carry_over(base: BaseImage, kept: list[Kept], new: Filler, folders: Owner, report: Report) -> None:
    """Bring it to the new file system: owners, modes, times, links of both kinds, attributes, holes."""
    first: dict[int, str] = {}  # inode → the path that it has in the new file system
    with open_ext4(base.path, base.data.start) as old:
        for each in kept:
            report.check()
            number = each.facts.number
            if number in first:
                new.hardlink(each.path, first[number], folders=folders)
                continue
            _bring(old, each, new, folders, report)
            if not _is_folder(each):
                first[number] = each.path
            attributes = old.attributes(number)
            if attributes:
                new.attribute(each.path, attributes)


def _bring(old: Ext4, each: Kept, new: Filler, folders: Owner, report: Report) -> None:
    facts = each.facts
    if stat.S_ISDIR(facts.mode):
        new.makedirs(each.path, facts.owner)
        new.own(each.path, facts.owner)
    elif stat.S_ISLNK(facts.mode):
        new.symlink(each.path, old.target(facts), facts.owner, folders=folders)
    else:
        data = _whole_blocks(old.data_ranges(facts), facts.size, new.super.block)
        file = new.create(each.path, facts.size, facts.owner, folders=folders, data=data)
        _copy(old, facts, file, report)


def _whole_blocks(data: list[Range], size: int, block: int) -> list[Range]:
    """The same in blocks of the new file system, which may be larger; within the file."""
    found: list[Range] = []
    for each in data:
        start, end = each.offset // block * block, min(-(-each.end // block) * block, size)
        if found and start <= found[-1].end:
            start = found.pop().offset
        if start < end:
            found.append(Range(start, end - start))
    return found


def _copy(old: Ext4, facts: Facts, file: NewFile, report: Report) -> None:
    for piece in old.pieces(facts.number):
        report.check()
        file.write(piece)


def _content(old: Ext4, check: Check) -> Iterator[Kept]:
    root = old.find("/")
    if root is not None:
        yield Kept("/", root)
    for path, facts in old.walk():
        check()
        if path == _OWN or path.startswith(f"{_OWN}/"):
            continue
        if stat.S_IFMT(facts.mode) not in {stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK}:
            raise JobError(
                "bad_base",
                f"{path} on the base image's data partition is no file, folder or link; remove it there",
            )
        yield Kept(path, facts)


def _is_folder(kept: Kept) -> bool:
    return stat.S_ISDIR(kept.facts.mode)
