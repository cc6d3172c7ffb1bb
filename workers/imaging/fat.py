"""Reads and changes a FAT16 or FAT32 volume inside an image, without mounting it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from workers.errors import JobError
from workers.imaging import fat_names as names
from workers.imaging.fat_format import format_fat
from workers.imaging.fat_table import Geometry, Table, bad

__all__ = ["Fat", "FatEntry", "format_fat"]

_END, _DELETED = 0x00, 0xE5
_LARGEST = 0xFFFF_FFFF
_SIZE_IN_ENTRY = 28


@dataclass(frozen=True)
class FatEntry:
    """One file or folder; `slot` and `slots` say which 32-byte entries of its folder are its own."""

    name: str
    short: bytes
    folder: bool
    size: int
    cluster: int
    slot: int
    slots: int


@dataclass
class _Folder:
    """A folder's bytes, and where in the volume each stretch of them lies."""

    data: bytearray
    clusters: list[int]  # empty: the fixed root of FAT16
    stretches: list[int]  # byte offsets in the volume
    stretch: int  # bytes of one


class Fat:
    """A volume at a byte offset of an image. Changes reach the image's tables on `flush` or `close`."""

    def __init__(self, image: Path, offset: int, *, writable: bool = False) -> None:
        self._base, self._writable = offset, writable
        self._fd = os.open(image, os.O_RDWR if writable else os.O_RDONLY)
        try:
            self.geometry = Geometry.read(self._boot_sector())
            self._table = Table(self._fd, offset, self.geometry)
        except BaseException:
            os.close(self._fd)
            raise

    def _boot_sector(self) -> bytes:
        boot = os.pread(self._fd, 512, self._base)
        if len(boot) != 512:
            raise bad("the image ends before it")
        return boot

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self.close(keep=kind is None)

    def close(self, *, keep: bool = True) -> None:
        """Close; `keep=False` forgets what was not flushed."""
        try:
            if keep:
                self.flush()
        finally:
            os.close(self._fd)

    def flush(self) -> None:
        if self._writable:
            self._table.flush()

    @property
    def free_bytes(self) -> int:
        return self._table.free * self.geometry.cluster

    def used_ranges(self) -> list[tuple[int, int]]:
        """(offset, length) in the image of all that the volume uses: its tables and taken clusters."""
        geo = self.geometry
        runs = [(self._base, geo.data_start * geo.sector)]
        for first, count in self._table.used():
            start = self._base + geo.position(first)
            if start == sum(runs[-1]):
                start, count_before = runs.pop()
                runs.append((start, count_before + count * geo.cluster))
            else:
                runs.append((start, count * geo.cluster))
        return runs

    def entries(self, path: str = "/") -> list[FatEntry]:
        """What a folder holds, in the order on disk; without `.`, `..` and the volume label."""
        return [e for e in self._entries(self._open(path)) if e.name not in {".", ".."}]

    def find(self, path: str) -> FatEntry | None:
        """The file or folder at `path`; letter case does not matter."""
        parent, name = _split(path)
        return self._find(self._open(parent), name)

    def read(self, path: str) -> bytes:
        entry = self.find(path)
        if entry is None or entry.folder:
            raise JobError("no_such_file", f"the FAT partition has no file {path}")
        data = bytearray()
        for cluster in self._table.chain(entry.cluster) if entry.size else []:
            data += self._pread(self.geometry.position(cluster), self.geometry.cluster)
        if len(data) < entry.size:
            raise bad(f"{path} is shorter than its entry says")
        return bytes(data[: entry.size])

    def places(self, path: str) -> tuple[int, int]:
        """Where in the image a small file's first sector is, and the four bytes that tell its size."""
        parent_path, name = _split(path)
        folder = self._open(parent_path)
        entry = self._find(folder, name)
        if entry is None or entry.folder or not entry.cluster:
            raise JobError("not_found", f"{path} is no file with content on the FAT partition")
        at = (entry.slot + entry.slots - 1) * names.ENTRY + _SIZE_IN_ENTRY
        in_volume = folder.stretches[at // folder.stretch] + at % folder.stretch
        return self._base + self.geometry.position(entry.cluster), self._base + in_volume

    def makedirs(self, path: str, *, now: int) -> None:
        """Make the folder and those above it; those that exist stay."""
        self._makedirs(path, now)

    def write(self, path: str, data: bytes, *, now: int) -> None:
        """Write or replace a file; the folders above it are made. Nothing changes if there is no room."""
        if len(data) > _LARGEST:
            raise JobError("too_large", f"{path}: a file on FAT has at most {_LARGEST} bytes")
        parent_path, name = _split(path)
        names.check_name(name)
        parent = self._makedirs(parent_path, now)
        entry = self._find(parent, name)
        if entry and entry.folder:
            raise JobError("bad_name", f"{path} is a folder of the FAT partition; choose another name")
        clusters = self._store(data, self._table.chain(entry.cluster) if entry and entry.cluster else [])
        first = clusters[0] if clusters else 0
        if entry:
            raw = names.short_entry(entry.short, names.ATTR_ARCHIVE, first, len(data), names.FatTime.at(now))
            self._put(parent, entry.slot + entry.slots - 1, raw)
        else:
            self._add(parent, name, names.ATTR_ARCHIVE, first, len(data), now)

    def _store(self, data: bytes, instead_of: list[int]) -> list[int]:
        size = self.geometry.cluster
        clusters = self._table.replace(instead_of, -(-len(data) // size))
        for number, cluster in enumerate(clusters):
            piece = data[number * size : (number + 1) * size].ljust(size, b"\0")
            os.pwrite(self._fd, piece, self._base + self.geometry.position(cluster))
        return clusters

    def _makedirs(self, path: str, now: int) -> _Folder:
        folder = self._root()
        for name in _parts(path):
            entry = self._find(folder, name)
            if entry and not entry.folder:
                raise JobError("bad_name", f"{name} in {path} is a file of the FAT partition, not a folder")
            folder = self._folder(entry.cluster) if entry else self._mkdir(folder, name, now)
        return folder

    def _mkdir(self, parent: _Folder, name: str, now: int) -> _Folder:
        names.check_name(name)
        (cluster,) = self._table.allocate(1)
        up = parent.clusters[0] if parent.clusters else 0
        up = 0 if up == self.geometry.root_cluster else up
        when = names.FatTime.at(now)
        raw = names.short_entry(b".          ", names.ATTR_FOLDER, cluster, 0, when)
        raw += names.short_entry(b"..         ", names.ATTR_FOLDER, up, 0, when)
        where = self._base + self.geometry.position(cluster)
        os.pwrite(self._fd, raw.ljust(self.geometry.cluster, b"\0"), where)
        self._add(parent, name, names.ATTR_FOLDER, cluster, 0, now)
        return self._folder(cluster)

    def _add(self, folder: _Folder, name: str, attributes: int, cluster: int, size: int, now: int) -> None:
        taken = {e.short for e in self._entries(folder)}
        short = names.as_short(name)
        entries = b"" if short else names.long_entries(name, alias := names.make_short(name, taken))
        raw = entries + names.short_entry(short or alias, attributes, cluster, size, names.FatTime.at(now))
        count = len(raw) // names.ENTRY
        slot = self._room(folder, count)
        for number in range(count):
            self._put(folder, slot + number, raw[number * 32 : number * 32 + 32])

    def _room(self, folder: _Folder, count: int) -> int:
        """The first of `count` free slots in a row; the folder grows when it has none."""
        run = 0
        for slot in range(len(folder.data) // names.ENTRY):
            run = run + 1 if folder.data[slot * names.ENTRY] in (_END, _DELETED) else 0
            if run == count:
                return slot - count + 1
        if not folder.clusters:
            raise JobError("boot_full", "the root folder of the FAT partition is full; use a sub folder")
        cluster = self._table.extend(folder.clusters[-1])
        folder.clusters.append(cluster)
        folder.stretches.append(self.geometry.position(cluster))
        folder.data += bytes(self.geometry.cluster)
        os.pwrite(self._fd, bytes(self.geometry.cluster), self._base + folder.stretches[-1])
        return self._room(folder, count)

    def _put(self, folder: _Folder, slot: int, raw: bytes) -> None:
        at = slot * names.ENTRY
        folder.data[at : at + names.ENTRY] = raw
        where = folder.stretches[at // folder.stretch] + at % folder.stretch
        os.pwrite(self._fd, raw, self._base + where)

    def _open(self, path: str) -> _Folder:
        folder = self._root()
        for name in _parts(path):
            entry = self._find(folder, name)
            if entry is None or not entry.folder:
                raise JobError("no_such_file", f"the FAT partition has no folder {path}")
            folder = self._folder(entry.cluster)
        return folder

    def _root(self) -> _Folder:
        geo = self.geometry
        if geo.wide:
            return self._folder(geo.root_cluster)
        start, size = geo.root_start * geo.sector, geo.root_sectors * geo.sector
        return _Folder(bytearray(self._pread(start, size)), [], [start], size)

    def _folder(self, cluster: int) -> _Folder:
        if cluster == 0:  # `..` of a folder in the root
            return self._root()
        clusters = self._table.chain(cluster)
        places = [self.geometry.position(c) for c in clusters]
        data = bytearray().join(self._pread(place, self.geometry.cluster) for place in places)
        return _Folder(data, clusters, places, self.geometry.cluster)

    def _find(self, folder: _Folder, name: str) -> FatEntry | None:
        wanted = name.casefold()
        for entry in self._entries(folder):
            if wanted in {entry.name.casefold(), names.show_short(entry.short).casefold()}:
                return entry
        return None

    def _entries(self, folder: _Folder) -> list[FatEntry]:
        found: list[FatEntry] = []
        pieces: list[bytes] = []
        sums: set[int] = set()
        for slot in range(len(folder.data) // names.ENTRY):
            raw = bytes(folder.data[slot * 32 : slot * 32 + 32])
            if raw[0] == _END:
                break
            if raw[0] != _DELETED and raw[11] & 0x3F == names.ATTR_LONG:
                if raw[0] & 0x40:
                    pieces, sums = [], set()
                pieces.append(names.long_piece(raw))
                sums.add(raw[13])
                continue
            if raw[0] != _DELETED and not raw[11] & names.ATTR_LABEL:
                fits = bool(pieces) and sums == {names.checksum(raw[:11])}
                found.append(_entry(raw, pieces if fits else [], slot))
            pieces, sums = [], set()
        return found

    def _pread(self, offset: int, length: int) -> bytes:
        raw = os.pread(self._fd, length, self._base + offset)
        if len(raw) != length:
            raise bad("the image ends inside it")
        return raw


def _entry(raw: bytes, pieces: list[bytes], slot: int) -> FatEntry:
    cluster = int.from_bytes(raw[26:28], "little") | int.from_bytes(raw[20:22], "little") << 16
    return FatEntry(
        name=names.join_pieces(pieces) if pieces else names.show_short(raw[:11]),
        short=raw[:11],
        folder=bool(raw[11] & names.ATTR_FOLDER),
        size=int.from_bytes(raw[28:32], "little"),
        cluster=cluster,
        slot=slot - len(pieces),
        slots=len(pieces) + 1,
    )


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _split(path: str) -> tuple[str, str]:
    parts = _parts(path)
    if not parts:
        raise JobError("bad_name", "the root folder is not a file; give a file name")
    return "/".join(parts[:-1]), parts[-1]
