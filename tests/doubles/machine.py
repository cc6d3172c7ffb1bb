"""A machine made by hand: /sys, /proc and the device nodes, as far as the writer's guards look at them."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from tests.doubles.cards import SysTree
from workers.imaging.devices import Devices, Use
from workers.imaging.sysfs import Disk, Sysfs

GB = 10**9


@dataclass(frozen=True)
class Node:
    """A stat result of our own."""

    st_mode: int
    st_rdev: int = 0
    st_dev: int = 0
    st_ino: int = 0


class Machine:
    """A machine with one system disk (sda), one card (sdb), and whatever a test adds; or `bare`."""

    def __init__(self, root: Path, *, bare: bool = False) -> None:
        self.tree = SysTree(root / "sys")
        self.proc = root / "proc"
        (self.proc / "self").mkdir(parents=True)
        self.nodes: dict[str, Node] = {}
        self.mounts: list[str] = []
        self.swaps: list[str] = []
        if not bare:
            self.system = self.disk("sda", 8, 0)
            self.card = self.disk("sdb", 8, 16)

    def disk(
        self, name: str, major: int, minor: int, *, above: Path | None = None, parts: int = 2, **files: str
    ) -> Path:
        """A disk with partitions, named as the kernel names them; with `above`, on that USB device."""
        mark = "p" if name[-1].isdigit() else ""
        named = [(f"{name}{mark}{n}", f"{major}:{minor + n}", GB) for n in range(1, parts + 1)]
        for n, node in enumerate([name, *(part[0] for part in named)]):
            self.node(f"/dev/{node}", major, minor + n)
        return self.tree.disk(name, f"{major}:{minor}", 4 * GB, above=above, partitions=named, **files)

    def stacked(self, name: str, major: int, minor: int, *lower: Path) -> Path:
        """A RAID, crypt or volume on others."""
        upper = self.disk(name, major, minor, parts=0)
        for each in lower:
            self.tree.stack(upper, each)
        return upper

    def node(self, path: str, major: int, minor: int) -> None:
        self.nodes[path] = Node(stat.S_IFBLK, st_rdev=os.makedev(major, minor))

    def file(self, path: str, major: int, minor: int, inode: int = 1) -> None:
        self.nodes[path] = Node(stat.S_IFREG, st_dev=os.makedev(major, minor), st_ino=inode)

    def mount(self, number: str, point: str, source: str) -> None:
        self.mounts.append(f"30 1 {number} / {point} rw shared:1 - ext4 {source} rw")

    def uses(self, name: str = "sdb") -> list[Use]:
        return self.devices().uses_of(self.find(name))

    def find(self, name: str) -> Disk:
        return next(disk for disk in Sysfs(self.tree.root).disks() if disk.name == name)

    def devices(self) -> Devices:
        (self.proc / "self/mountinfo").write_text("".join(f"{line}\n" for line in self.mounts))
        header = "Filename Type Size Used Priority"
        (self.proc / "swaps").write_text("".join(f"{line}\n" for line in [header, *self.swaps]))
        return Devices(Sysfs(self.tree.root), self.proc, self.stat)

    def stat(self, path: str) -> Node:
        if path not in self.nodes:
            raise FileNotFoundError(path)
        return self.nodes[path]
