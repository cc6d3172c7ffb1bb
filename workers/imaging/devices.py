"""What this machine does with its block devices: mounts, swap, holders, loops, and all they stand on."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from workers.imaging.sysfs import Disk, Sysfs, is_partition, read

# A disk below one of these carries the machine itself (a container sees it below its /etc/hosts).
SYSTEM_MOUNTS: Final = re.compile(
    r"/|/(bin|home|lib|nix|opt|root|run|sbin|srv|tmp|cdrom|sysroot)"
    r"|/(boot|etc|usr|var)(/.*)?|/run/(live/medium|initramfs/live)|/lib/live/mount/medium"
)


class FileFacts(Protocol):
    """What we need of a stat result."""

    @property
    def st_mode(self) -> int: ...
    @property
    def st_rdev(self) -> int: ...
    @property
    def st_dev(self) -> int: ...
    @property
    def st_ino(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Use:
    """Something that needs device `number` (`major:minor`); `system`: the machine cannot live without it."""

    number: str
    what: str
    system: bool = False


@dataclass(frozen=True)
class Devices:
    """The block devices of this machine. Roots and `stat` can be others, for trees made by hand."""

    sysfs: Sysfs = field(default_factory=Sysfs)
    proc: Path = Path("/proc")
    stat: Callable[[str], FileFacts] = os.stat

    def uses_of(self, disk: Disk) -> list[Use]:
        """Why nobody else may write on this disk: all that stands on it, on a partition or on a holder."""
        uses = list(_held(disk))
        uses += [use for use in self.uses() if self.ancestors(use.number) & disk.numbers]
        return sorted(set(uses), key=lambda use: (not use.system, use.what))

    def uses_of_file(self, path: str) -> list[Use]:
        """The same question for a regular file: does a loop device or the swap stand on it?"""
        facts = self.stat(path)
        return [Use("", what, system) for name, what, system in self._files() if self._is(name, facts)]

    def uses(self) -> Iterator[Use]:
        """Every mount, swap area and loop device, with the device directly below."""
        yield from self._mounts()
        yield from self._swaps()
        for disk in self.sysfs.disks():
            if disk.backing_file and (number := self.number_below(disk.backing_file)):
                yield Use(number, f"the file or device behind {disk.node}")

    def ancestors(self, number: str) -> frozenset[str]:
        """The device and all below it: its disk, the members of its RAID, volume or crypt, a loop's disk."""
        seen: set[str] = set()
        todo = {number}
        while todo:
            here = todo.pop()
            seen.add(here)
            todo |= self._directly_below(here) - seen
        return frozenset(seen)

    def number_below(self, path: str) -> str | None:
        """`major:minor` of a device node, or of the device that a file lies on; None if it is gone."""
        try:
            facts = self.stat(path)
        except OSError:
            return None
        return device_number(facts.st_rdev if stat.S_ISBLK(facts.st_mode) else facts.st_dev)

    def _directly_below(self, number: str) -> set[str]:
        place = self.sysfs.place(number)
        if place is None:
            return set()
        below = {read(member / "dev") for member in (place / "slaves").glob("*")}
        if is_partition(place):
            below.add(read(place.parent / "dev"))
        backing = read(place / "loop" / "backing_file")
        if backing and (lower := self.number_below(backing)):
            below.add(lower)
        return below - {""}

    def _mounts(self) -> Iterator[Use]:
        for number, point, source in self._mount_lines():
            numbers = {number}
            if source.startswith("/dev/") and (named := self._node_number(source)):
                numbers |= self.sysfs.btrfs_members(named)
            for each in numbers:
                yield Use(each, f"mounted at {point}", bool(SYSTEM_MOUNTS.fullmatch(point)))

    def _mount_lines(self) -> Iterator[tuple[str, str, str]]:
        """(device, mount point, source) as we see them, and as the first process does where we may look."""
        for table in ("self/mountinfo", "1/mountinfo"):
            for line in _lines(self.proc / table):
                words = line.split(" ")
                after = words.index("-") if "-" in words else len(words)
                if after + 2 < len(words):
                    yield words[2], unescaped(words[4]), unescaped(words[after + 2])

    def _swaps(self) -> Iterator[Use]:
        for name in self._swap_names():
            if number := self.number_below(name):
                yield Use(number, f"swap {name}", system=True)

    def _swap_names(self) -> list[str]:
        return [unescaped(line.split()[0]) for line in _lines(self.proc / "swaps")[1:] if line]

    def _files(self) -> Iterator[tuple[str, str, bool]]:
        for name in self._swap_names():
            yield name, "swap file of this machine", True
        for disk in self.sysfs.disks():
            if disk.backing_file:
                yield disk.backing_file, f"the file behind {disk.node}", False

    def _is(self, name: str, facts: FileFacts) -> bool:
        try:
            found = self.stat(name)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == (facts.st_dev, facts.st_ino)

    def _node_number(self, source: str) -> str | None:
        try:
            facts = self.stat(source)
        except OSError:
            return None
        return device_number(facts.st_rdev) if stat.S_ISBLK(facts.st_mode) else None


def device_number(number: int) -> str:
    """`st_rdev` or `st_dev` as sysfs writes it."""
    return f"{os.major(number)}:{os.minor(number)}"


def unescaped(text: str) -> str:
    """`\\040` and its like in /proc tables back to characters."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _held(disk: Disk) -> Iterator[Use]:
    for name, number, holders in [
        (disk.name, disk.number, disk.holders),
        *((part.name, part.number, part.holders) for part in disk.partitions),
    ]:
        for holder in holders:
            yield Use(number, f"part of {holder} (RAID, volume or encryption) by {name}")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
