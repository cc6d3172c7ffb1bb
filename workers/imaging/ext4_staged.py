"""Fills an ext4 file system where the library of e2fsprogs cannot be loaded, with its programs alone.

Slower, and with twice the room: everything goes to a folder first, `mke2fs -d` makes the file system anew
with it, and `debugfs` gives owners, modes, times and attributes, so that nobody needs to be root. Each
thing in the folder carries its number as its time: that is how it is found again by inode.
"""

from __future__ import annotations

import os
import shutil
import stat
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from workers.errors import HostError, JobError
from workers.imaging import ext4_inode
from workers.imaging.ext4 import ROOT, parts
from workers.imaging.ext4_fill import check_name
from workers.imaging.ext4_inode import Owner
from workers.imaging.ext4_plain import Ext4Plain
from workers.imaging.ext4_tools import Ext4Identity, make_ext4, run_debugfs
from workers.imaging.program import Check, unasked
from workers.imaging.ranges import Range

_LOST_AND_FOUND: Final = 11
_STEP: Final = 1 << 20


@dataclass(eq=False)
class _Node:
    """A file, folder or link; `path` is one of its names in the folder."""

    path: Path
    mode: int
    owner: Owner
    attributes: dict[str, bytes] = field(default_factory=dict)
    links: int = 1


class StagedFile:
    """A file of the folder that takes its content in order."""

    def __init__(self, path: Path, size: int) -> None:
        self._path, self.size, self.written = path, size, 0
        with path.open("xb") as file:
            file.truncate(size)

    def rewind(self) -> None:
        self.written = 0

    def write(self, data: bytes | memoryview, /) -> None:
        """The next piece; more than the file's size is a JobError `size_mismatch`."""
        if self.written + len(data) > self.size:
            raise JobError("size_mismatch", f"more than the announced {self.size} bytes arrived")
        with self._path.open("r+b") as file:
            file.seek(self.written)
            file.write(data)
        self.written += len(data)

    def shares(self, fd: int) -> bool:
        """Never: what lies in the folder is copied to the image in any case."""
        del fd
        return False

    def copy_from(
        self, fd: int, *, sees: Callable[[memoryview], object] | None = None, tell: Callable[[int], None]
    ) -> None:
        """All of the content from an open file. JobError `size_mismatch` if that has fewer bytes."""
        self.rewind()
        while self.written < self.size:
            piece = memoryview(os.pread(fd, min(_STEP, self.size - self.written), self.written))
            if not piece:
                raise JobError(
                    "size_mismatch", f"the source ends after {self.written} of {self.size} announced bytes"
                )
            self.write(piece)
            if sees:
                sees(piece)
            tell(self.written)


class Ext4Staged:
    """A new, empty file system that grows content, as `Ext4Fill` does. It is made anew by `close`."""

    def __init__(self, image: Path, offset: int, *, now: int, check: Check = unasked) -> None:
        with Ext4Plain(image, offset) as made:
            self.super, self._inodes = made.super, made.inodes
        self._image, self._offset, self._now, self._check = image, offset, now, check
        self._tree = image.with_name(f"{image.name}.tree")
        self._tree.mkdir()
        self._nodes: dict[tuple[bytes, ...], _Node] = {}
        self.makedirs("lost+found", Owner(now, 0o700))  # mke2fs makes it in any case

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._make()
        finally:
            shutil.rmtree(self._tree)

    def makedirs(self, path: str, owner: Owner) -> None:
        """The folder at `path`; it and those above it are made where missing."""
        names = tuple(parts(path))
        for depth in range(1, len(names) + 1):
            above = names[:depth]
            check_name(above[-1], path)
            known = self._nodes.get(above)
            if known is None:
                self._nodes[above] = _Node(self._place(above), stat.S_IFDIR, owner)
                self._place(above).mkdir(mode=0o700)
            elif not stat.S_ISDIR(known.mode):
                raise JobError(
                    "name_taken", f"{path} is a file on the data partition, but a folder is needed"
                )

    def own(self, path: str, owner: Owner) -> None:
        """Give a folder another owner, mode and time."""
        self.makedirs(path, owner)
        names = tuple(parts(path))
        self._nodes.setdefault(names, _Node(self._tree, stat.S_IFDIR, owner)).owner = owner

    def create(
        self,
        path: str,
        size: int,
        owner: Owner,
        *,
        folders: Owner,
        data: Sequence[Range] | None = None,  # noqa: ARG002  # mke2fs looks for zeros by itself
    ) -> StagedFile:
        """A new file. Blocks of zeros become holes, whatever `data` says."""
        return StagedFile(self._add(path, stat.S_IFREG, owner, folders), size)

    def symlink(self, path: str, target: str, owner: Owner, *, folders: Owner) -> None:
        """A symbolic link; nobody asks whether its target exists."""
        length = len(os.fsencode(target))
        if not 0 < length < self.super.block:
            raise JobError(
                "bad_link",
                f"the link {path} leads to a path of {length} bytes; "
                f"it must have 1 to {self.super.block - 1}",
            )
        self._add(path, stat.S_IFLNK, owner, folders).symlink_to(target)

    def hardlink(self, path: str, to: str, *, folders: Owner) -> None:
        """One more name for the file or link at `to`."""
        node = self._node(to)
        if stat.S_ISDIR(node.mode) or node.links >= ext4_inode.MOST_LINKS:
            raise JobError(
                "bad_link",
                f"{to} cannot have one more name ({path}): it is a folder or has {node.links} already",
            )
        place = self._add(path, node.mode, node.owner, folders)
        self._nodes[tuple(parts(path))] = node
        node.links += 1
        os.link(node.path, place, follow_symlinks=False)

    def attribute(self, path: str, attributes: Mapping[str, bytes]) -> None:
        """Give what is at `path` extended attributes, by their full names."""
        self._node(path).attributes.update(attributes)

    def _node(self, path: str) -> _Node:
        found = self._nodes.get(tuple(parts(path)))
        if found is None:
            raise JobError("no_such_file", f"the data partition has no {path}; correct the path")
        return found

    def _add(self, path: str, kind: int, owner: Owner, folders: Owner) -> Path:
        names = tuple(parts(path))
        check_name(names[-1], path)
        self.makedirs("/".join(map(os.fsdecode, names[:-1])), folders)
        if names in self._nodes:
            raise JobError("name_taken", f"{path} exists on the data partition already; choose another name")
        self._nodes[names] = _Node(self._place(names), kind, owner)
        return self._place(names)

    def _place(self, names: tuple[bytes, ...]) -> Path:
        return self._tree.joinpath(*map(os.fsdecode, names))

    def _make(self) -> None:
        nodes = list({id(node): node for node in self._nodes.values()}.values())
        for number, node in enumerate(nodes, 1):
            os.utime(node.path, (number, number), follow_symlinks=False)
        own = self.super
        identity = Ext4Identity(own.label, own.uuid, own.hash_seed)
        size = own.size
        make_ext4(
            self._image,
            self._offset,
            size,
            identity,
            now=self._now,
            inodes=self._inodes,
            source=self._tree,
            features=own.features,
            check=self._check,
        )
        commands: list[str] = []
        for inode, node in self._found(nodes):
            commands += _fields(inode, node, self._now) + self._attributes(inode, node)
        run_debugfs(self._image, self._offset, commands, now=self._now, check=self._check)

    def _found(self, nodes: list[_Node]) -> list[tuple[int, _Node]]:
        known = {(): ROOT, (b"lost+found",): _LOST_AND_FOUND}
        found = [(known[names], node) for names, node in self._nodes.items() if names in known]
        placed = {node for _, node in found}
        missing = {number: node for number, node in enumerate(nodes, 1) if node not in placed}
        with Ext4Plain(self._image, self._offset) as made:
            inode = _LOST_AND_FOUND
            while missing and inode < made.inodes:
                inode += 1
                facts = made.facts(inode)
                if facts.links and facts.mtime in missing:
                    found.append((inode, missing.pop(facts.mtime)))
        if missing:
            raise HostError("mke2fs_failed", f"mke2fs left out {len(missing)} files; update e2fsprogs here")
        return found

    def _attributes(self, inode: int, node: _Node) -> list[str]:
        commands = []
        for number, (name, value) in enumerate(sorted(node.attributes.items())):
            if any(char in name for char in '"\n\0'):
                raise JobError("bad_name", f"{name!r} cannot name an extended attribute; choose another name")
            place = self._tree / f"attribute.{inode}.{number}"  # after mke2fs has read the folder
            place.write_bytes(value)
            commands.append(f'ea_set -f "{self._tree.name}/{place.name}" <{inode}> "{name}"')
        return commands


def _fields(inode: int, node: _Node, now: int) -> list[str]:
    """The commands that give an inode its owner, mode and times."""
    permissions = 0o777 if stat.S_ISLNK(node.mode) else stat.S_IMODE(node.owner.mode)
    raw = ext4_inode.stamp(bytearray(256), node.mode | permissions, node.owner, now)
    (mtime,), (extra,) = struct.unpack_from("<I", raw, 16), struct.unpack_from("<I", raw, 136)
    birth, birth_extra = struct.unpack_from("<II", raw, 144)
    values: dict[str, str] = {
        "mode": f"0{node.mode | permissions:o}", "uid": str(node.owner.uid), "gid": str(node.owner.gid),
    }  # fmt: skip
    for name in ("mtime", "atime", "ctime"):
        values |= {name: f"@{mtime}", f"{name}_extra": str(extra)}
    values |= {"crtime": f"@{birth}", "crtime_extra": str(birth_extra)}
    return [f"sif <{inode}> {name} {value}" for name, value in values.items()]
