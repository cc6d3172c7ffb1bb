"""The frame of a FAT16 or FAT32 volume: its geometry, and the table of clusters."""

from __future__ import annotations

import os
import struct
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from workers.errors import JobError

_FAT12_BELOW = 4085
_FAT16_BELOW = 65525
_INFO_LEAD, _INFO_BODY = 0x41615252, 0x61417272


def bad(what: str) -> JobError:
    """A volume that cannot be what it says."""
    return JobError("bad_filesystem", f"the FAT partition is damaged: {what}; take another base image")


@dataclass(frozen=True)
class Geometry:
    """Where things lie in a volume; all counts in sectors unless named otherwise."""

    sector: int  # bytes
    per_cluster: int
    reserved: int
    tables: int
    table_sectors: int
    root_entries: int
    total: int
    root_cluster: int
    info_sector: int
    active: int | None  # the only table in use, or None when all are mirrors

    @property
    def root_sectors(self) -> int:
        return -(-self.root_entries * 32 // self.sector)

    @property
    def root_start(self) -> int:
        return self.reserved + self.tables * self.table_sectors

    @property
    def data_start(self) -> int:
        return self.root_start + self.root_sectors

    @property
    def clusters(self) -> int:
        return (self.total - self.data_start) // self.per_cluster

    @property
    def cluster(self) -> int:
        """Bytes of one cluster."""
        return self.per_cluster * self.sector

    @property
    def wide(self) -> bool:
        """FAT32?"""
        return self.root_entries == 0

    def position(self, cluster: int) -> int:
        """Byte offset of a cluster in the volume."""
        return (self.data_start + (cluster - 2) * self.per_cluster) * self.sector

    @classmethod
    def read(cls, boot: bytes) -> Geometry:
        """From the first 512 bytes of a volume; JobError `bad_filesystem` if they make no sense."""
        sector, per_cluster, reserved, tables, roots, total16, _, narrow = struct.unpack_from(
            "<HBHBHHBH", boot, 11
        )
        total32, wide, flags, _, root_cluster, info = struct.unpack_from("<IIHHIH", boot, 32)
        is_wide = narrow == 0
        geometry = cls(
            sector=sector,
            per_cluster=per_cluster,
            reserved=reserved,
            tables=tables,
            table_sectors=wide if is_wide else narrow,
            root_entries=0 if is_wide else roots,
            total=total16 or total32,
            root_cluster=root_cluster if is_wide else 0,
            info_sector=info if is_wide else 0,
            active=flags & 0xF if is_wide and flags & 0x80 else None,
        )
        geometry._check(boot)
        return geometry

    def _check(self, boot: bytes) -> None:
        width = 4 if self.wide else 2
        legal = {
            "no boot signature": boot[510:512] == b"\x55\xaa",
            f"{self.sector} bytes per sector": self.sector in (512, 1024, 2048, 4096),
            f"{self.per_cluster} sectors per cluster": self.per_cluster in (1, 2, 4, 8, 16, 32, 64, 128),
            f"{self.tables} tables": self.tables in (1, 2) and bool(self.reserved and self.table_sectors),
            f"table {self.active} is active": self.active is None or self.active < self.tables,
        }
        for what, right in legal.items():
            if not right:
                raise bad(what)
        if self.data_start >= self.total:
            raise bad("its tables are larger than itself")
        if self.table_sectors * self.sector < (self.clusters + 2) * width:
            raise bad("its table is too short for its clusters")
        if self.wide and not 2 <= self.root_cluster < self.clusters + 2:
            raise bad(f"its root folder lies at cluster {self.root_cluster}")
        if not self.wide and not _FAT12_BELOW <= self.clusters < _FAT16_BELOW:
            raise bad(f"{self.clusters} clusters are none of FAT16 or FAT32")


class Table:
    """The chain of each file, kept in memory and written back by changed sectors only (holes stay holes)."""

    def __init__(self, fd: int, base: int, geometry: Geometry) -> None:
        self._fd, self._base, self._geo = fd, base, geometry
        self._code = "I" if geometry.wide else "H"
        self._mask = 0x0FFF_FFFF if geometry.wide else 0xFFFF
        self._stored = self._load(geometry.active or 0)
        self._entries = array(self._code, self._stored)
        if sys.byteorder == "big":
            self._entries.byteswap()
        self._next = 2
        self.free = sum(1 for _ in self._free_clusters())

    def _load(self, number: int) -> bytes:
        geo = self._geo
        size = geo.table_sectors * geo.sector
        raw = os.pread(self._fd, size, self._base + (geo.reserved + number * geo.table_sectors) * geo.sector)
        if len(raw) != size:
            raise bad("the image ends inside its table")
        return raw

    def chain(self, first: int) -> list[int]:
        """Clusters from `first` on; loops and strays raise `bad_filesystem`."""
        clusters: list[int] = []
        seen: set[int] = set()
        cluster = first
        while cluster < self._mask - 7:  # the last eight values end a chain
            if not 2 <= cluster < self._geo.clusters + 2 or cluster in seen:
                raise bad(f"the chain at cluster {first} leads to {cluster}")
            seen.add(cluster)
            clusters.append(cluster)
            cluster = self._entries[cluster] & self._mask
        return clusters

    def used(self) -> Iterator[tuple[int, int]]:
        """Runs (first cluster, count) of clusters that are not free, ascending."""
        start = None
        for cluster in range(2, self._geo.clusters + 2):
            taken = bool(self._entries[cluster] & self._mask)
            if taken and start is None:
                start = cluster
            elif not taken and start is not None:
                yield start, cluster - start
                start = None
        if start is not None:
            yield start, self._geo.clusters + 2 - start

    def replace(self, old: list[int], count: int) -> list[int]:
        """A chain of `count` clusters in place of `old`; JobError `boot_full`, and no change, if too many."""
        if count > self.free + len(old):
            size, free = self._geo.cluster, self.free + len(old)
            raise JobError(
                "boot_full",
                f"the FAT partition has {free * size} bytes free, {count * size} are needed; "
                "make the file smaller or take a base image with a larger boot partition",
            )
        for cluster in old:
            self._set(cluster, 0)
        self.free += len(old)
        return self._take(count) if count else []

    def allocate(self, count: int) -> list[int]:
        """A new chain of `count` clusters, lowest first."""
        return self.replace([], count)

    def _take(self, count: int) -> list[int]:
        free = self._free_clusters()
        clusters = [next(free) for _ in range(count)]
        for here, then in zip(clusters, [*clusters[1:], self._mask], strict=True):
            self._set(here, then)
        self.free -= count
        self._next = clusters[-1] + 1
        return clusters

    def extend(self, last: int) -> int:
        """One more cluster behind `last`, the end of a chain."""
        (new,) = self.allocate(1)
        self._set(last, new)
        return new

    def flush(self) -> None:
        """Write what changed to every mirror, and the counters of FSInfo."""
        geo = self._geo
        entries = array(self._code, self._entries)
        if sys.byteorder == "big":
            entries.byteswap()
        new = entries.tobytes()
        targets = range(geo.tables) if geo.active is None else [geo.active]
        stored = {n: self._load(n) for n in targets}
        for number, old in stored.items():
            start = self._base + (geo.reserved + number * geo.table_sectors) * geo.sector
            for at in range(0, len(new), geo.sector):
                piece = new[at : at + geo.sector]
                if piece != old[at : at + geo.sector]:
                    os.pwrite(self._fd, piece, start + at)
        self._flush_info()

    def _flush_info(self) -> None:
        geo = self._geo
        if not 0 < geo.info_sector < geo.reserved:
            return
        at = self._base + geo.info_sector * geo.sector
        info = os.pread(self._fd, 512, at)
        lead, body = struct.unpack_from("<I", info)[0], struct.unpack_from("<I", info, 484)[0]
        if (lead, body) == (_INFO_LEAD, _INFO_BODY):
            os.pwrite(self._fd, struct.pack("<II", self.free, self._next), at + 488)

    def _set(self, cluster: int, value: int) -> None:
        self._entries[cluster] = (self._entries[cluster] & ~self._mask) | value

    def _free_clusters(self) -> Iterator[int]:
        mask, entries = self._mask, self._entries
        return (c for c in range(2, self._geo.clusters + 2) if not entries[c] & mask)
