"""Fills an ext4 file system inside an image: folders, links, and files that go straight to image offsets.

The library allocates a file's blocks at once, as initialized extents; the caller then writes
the content to the image through `PlacedFile`, in large pieces, while hashing it.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

from workers.errors import JobError
from workers.imaging import ext4_inode
from workers.imaging import libext2fs as e2
from workers.imaging.ext4 import ROOT, parts
from workers.imaging.ext4_edit import Ext4Edit
from workers.imaging.ext4_folder import Layout, TooManyEntries, pack_folder
from workers.imaging.ext4_inode import Owner
from workers.imaging.image_writer import ImageWriter
from workers.imaging.placed_file import PlacedFile
from workers.imaging.ranges import Range

__all__ = ["Ext4Fill", "Owner", "PlacedFile"]

_LONGEST_NAME: Final = 255
_LEGACY_HASH: Final = 2  # versions above it say what the superblock's flag says


class Ext4Fill(Ext4Edit):
    """An open file system that grows new content. `close` puts the folders down; without it nothing holds.

    It may hold files and folders already: they stay, but for those that are removed. All calls come from
    one thread; the content of several files may be written from several.
    """

    def __init__(self, image: Path, offset: int, *, now: int) -> None:
        super().__init__(image, offset, now=now)
        try:
            self._writer = ImageWriter(image)
        except BaseException:
            super().close()
            raise
        self._folders: dict[tuple[bytes, ...], int] = {(): ROOT}
        self._above: dict[str, int] = {}  # the same by the paths that callers use
        self._new: dict[int, dict[bytes, tuple[int, int]]] = {}  # folder → name → (inode, kind)
        self._gone: dict[int, set[bytes]] = {}
        self._fresh: dict[int, int] = {}  # new folder → its parent
        indexed = "dir_index" in self.super.features and self.super.hash_version <= _LEGACY_HASH
        self._layout = Layout(
            self.super.block,
            self.super.checksums,
            self.super.hash_version,
            self.name_hash if indexed else None,
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
            return
        try:
            super().close()
        finally:
            self._writer.abandon()

    def close(self) -> None:
        """Write all folders and close."""
        if not self._fs:
            return
        try:
            try:
                self.settle()
                for folder in sorted({*self._new, *self._gone}):
                    self._put_down(folder)
            finally:
                super().close()
        except BaseException:
            self._writer.abandon()
            raise
        self._writer.close()

    def settle(self) -> None:
        """See `Ext4Edit`. A buffered write waits for all direct ones in the image: better once than often."""
        with self._writer.quiet():
            super().settle()

    def makedirs(self, path: str, owner: Owner) -> int:
        """The folder at `path`; it and those above it are made where missing. Its inode."""
        return self._makedirs(tuple(parts(path)), owner)

    def own(self, path: str, owner: Owner) -> None:
        """Give an existing folder another owner, mode and time."""
        inode = self._makedirs(tuple(parts(path)), owner)
        mode = stat.S_IFDIR | stat.S_IMODE(owner.mode)
        self.write_inode(inode, ext4_inode.stamp(self.read_inode(inode), mode, owner, self.now))

    def create(
        self, path: str, size: int, owner: Owner, *, folders: Owner, data: Sequence[Range] | None = None
    ) -> PlacedFile:
        """A new file with all its blocks; the folders above it are made as `folders` says.

        `data`: which bytes of it are not holes, ascending and disjoint; all, if not given.
        """
        parent, name = self._free_name(path, folders)
        mode = stat.S_IFREG | stat.S_IMODE(owner.mode)
        if data is None:
            inode, places = self.add_file(parent, path, mode, size, owner)
        else:
            raw = ext4_inode.blank(self.super.inode_size, links=1, length=size)
            inode = self.add_inode(parent, mode, raw, owner)
            places = self.allocate(inode, path, size, data)
        self._enter(parent, name, inode, e2.KIND_FILE)
        return PlacedFile(self._writer, size, places, self.super.block)

    def symlink(self, path: str, target: str, owner: Owner, *, folders: Owner) -> None:
        """A symbolic link; nobody asks whether its target exists."""
        parent, name = self._free_name(path, folders)
        inode = self.add_symlink(parent, path, os.fsencode(target), owner)
        self._enter(parent, name, inode, e2.KIND_LINK)

    def hardlink(self, path: str, to: str, *, folders: Owner) -> None:
        """One more name for the file or link at `to`."""
        inode = self._inode(to)
        raw = self.read_inode(inode)
        facts = ext4_inode.parse(inode, bytes(raw))
        if stat.S_ISDIR(facts.mode) or facts.links >= ext4_inode.MOST_LINKS:
            raise JobError(
                "bad_link",
                f"{to} cannot have one more name ({path}): it is a folder or has {facts.links} already",
            )
        parent, name = self._free_name(path, folders)
        struct.pack_into("<H", raw, ext4_inode.LINKS, facts.links + 1)
        self.write_inode(inode, raw)
        self._enter(parent, name, inode, e2.KIND_LINK if stat.S_ISLNK(facts.mode) else e2.KIND_FILE)

    def attribute(self, path: str, attributes: Mapping[str, bytes]) -> None:
        """Give what is at `path` extended attributes, by their full names (`user.colour`)."""
        self.set_attributes(self._inode(path), attributes, path)

    def remove(self, path: str) -> None:
        """Take a file or link away; with its last name goes its content."""
        *above, name = parts(path)
        folder, inode = self._inode("/".join(map(os.fsdecode, above))), self._inode(path)
        if stat.S_ISDIR(self.facts(inode).mode):
            raise JobError("name_taken", f"{path} is a folder on the data partition; it cannot be replaced")
        self._writer.flush()  # else its content may come over what is put in its blocks next
        self.remove_inode(inode)
        if self._new.get(folder, {}).pop(name, None) is None:
            self._gone.setdefault(folder, set()).add(name)

    def exists(self, path: str) -> bool:
        """Whether a file or folder of this name is there, or will be after `close`."""
        return self._find(path) is not None

    def _inode(self, path: str) -> int:
        inode = self._find(path)
        if inode is None:
            raise JobError("no_such_file", f"the data partition has no {path}; correct the path")
        return inode

    def _find(self, path: str) -> int | None:
        inode: int | None = ROOT
        for part in parts(path):
            inode = self._look(inode, part)
            if inode is None:
                return None
        return inode

    def _look(self, folder: int | None, name: bytes) -> int | None:
        if folder is None:
            return None
        pending = self._new.get(folder, {}).get(name)
        if pending:
            return pending[0]
        if folder in self._fresh or name in self._gone.get(folder, ()):
            return None
        return self._lookup(folder, name)

    def _enter(self, folder: int, name: bytes, inode: int, kind: int) -> None:
        self._new.setdefault(folder, {})[name] = (inode, kind)

    def _makedirs(self, names: tuple[bytes, ...], owner: Owner) -> int:
        depth = len(names)
        while names[:depth] not in self._folders:
            depth -= 1
        inode = self._folders[names[:depth]]
        for end in range(depth + 1, len(names) + 1):
            inode = self._folders[names[:end]] = self._enter_folder(inode, names[:end], owner)
        return inode

    def _enter_folder(self, parent: int, names: tuple[bytes, ...], owner: Owner) -> int:
        path = f"/{os.fsdecode(b'/'.join(names))}"
        check_name(names[-1], path)
        inode = self._look(parent, names[-1])
        if inode is None:
            return self._mkdir(parent, names[-1], owner)
        if not stat.S_ISDIR(self.facts(inode).mode):
            raise JobError("name_taken", f"{path} is a file on the data partition, but a folder is needed")
        return inode

    def _mkdir(self, parent: int, name: bytes, owner: Owner) -> int:
        raw = ext4_inode.blank(self.super.inode_size, links=2)
        inode = self.add_inode(parent, stat.S_IFDIR | stat.S_IMODE(owner.mode), raw, owner)
        self._enter(parent, name, inode, e2.KIND_FOLDER)
        self._fresh[inode] = parent
        self._new[inode] = {}
        return inode

    def _free_name(self, path: str, folders: Owner) -> tuple[int, bytes]:
        above, _, last = path.rpartition("/")
        name = os.fsencode(last)
        parent = self._above.get(above) if last else None
        if parent is None:
            *names, name = parts(path)
            parent = self._above[above] = self._makedirs(tuple(names), folders)
        check_name(name, path)
        if self._look(parent, name) is not None:
            raise JobError("name_taken", f"{path} exists on the data partition already; choose another name")
        return parent, name

    def _put_down(self, folder: int) -> None:
        """A folder's blocks in one go: linear, where linking names one by one is quadratic."""
        new = self._new.get(folder, {})
        raw = self.read_inode(folder)
        facts = ext4_inode.parse(folder, bytes(raw))
        before = {} if folder in self._fresh else self._before(folder)
        parent = self._fresh.get(folder) or self._lookup(folder, b"..") or ROOT
        try:
            blocks, indexed = pack_folder(folder, parent, {**before, **new}, self._layout)
        except TooManyEntries as error:
            raise JobError(
                "too_many_files", f"a folder has {len(before) + len(new)} entries; use more folders"
            ) from error
        self._resize(folder, facts.size // self.super.block, len(blocks))
        for number, data in enumerate(blocks):
            self.write_folder_block(folder, number, data)
        raw = self.read_inode(folder)
        ext4_inode.set_length(raw, len(blocks) * self.super.block)
        flags = facts.flags & ~e2.INDEX_FLAG | (e2.INDEX_FLAG if indexed else 0)
        struct.pack_into("<I", raw, ext4_inode.FLAGS, flags)
        links = facts.links + sum(kind == e2.KIND_FOLDER for _, kind in new.values())
        links = 1 if links > ext4_inode.MOST_LINKS or facts.links == 1 else links
        struct.pack_into("<H", raw, ext4_inode.LINKS, links)
        self.write_inode(folder, raw)

    def _before(self, folder: int) -> dict[bytes, tuple[int, int]]:
        gone = self._gone.get(folder, set())
        found = {os.fsencode(each.name): (each.inode, each.kind) for each in self.listed(folder)}
        return {name: what for name, what in found.items() if name not in gone}

    def _resize(self, folder: int, have: int, need: int) -> None:
        if need > have:
            self.grow(folder, have, need - have)
            if ext4_inode.parse(folder, bytes(self.read_inode(folder))).flags & e2.EXTENTS_FLAG:
                self.recount(folder)
        elif need < have:
            self.free_blocks(folder, need)


def check_name(name: bytes, path: str) -> None:
    """JobError `bad_name` unless a file or folder can have this name."""
    if len(name) > _LONGEST_NAME or b"\0" in name or name in {b".", b".."}:
        raise JobError(
            "bad_name", f"{path!r}: a name has at most {_LONGEST_NAME} bytes and is not `.` or `..`"
        )
