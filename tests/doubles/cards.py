"""Doubles of the card writer's neighbours: images held in memory, a /sys tree made by hand, loop devices."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from workers.imaging.manifest import Manifest
from workers.imaging.ranges import GRID, Range, tidy

MIB = 1024 * 1024


class MemorySource:
    """An image in memory; `reads` tells in which order it was asked."""

    def __init__(self, data: bytes, ranges: Sequence[Range]) -> None:
        self.data = data
        self.ranges = list(ranges)
        self.reads: list[Range] = []

    @property
    def image_size(self) -> int:
        return len(self.data)

    def read(self, wanted: Range, /) -> memoryview:
        self.reads.append(wanted)
        return memoryview(self.data)[wanted.offset : wanted.end]

    def read_into(self, wanted: Range, buffer: memoryview, /) -> None:
        buffer[:] = self.read(wanted)

    manifest: Manifest | None = None
    signed = False

    def finish(self) -> None:
        """It is all here."""

    def close(self) -> None:
        """Nothing is open."""


def image(
    size: int, mapped: Sequence[tuple[int, int]] | None = None, *, seed: int = 1, digests: bool = True
) -> MemorySource:
    """Random bytes; mapped as (offset, length), rounded and cut as formats.md says; all of it by default."""
    data = random.Random(seed).randbytes(size)
    spans = [Range(*span) for span in (mapped if mapped is not None else [(0, size)])]
    ranges = tidy(spans, size)
    if digests:
        ranges = [
            Range(r.offset, r.length, hashlib.sha256(data[r.offset : r.end]).hexdigest()) for r in ranges
        ]
    return MemorySource(data, ranges)


def card_file(path: Path, size: int, *, fill: int = 0xA5) -> Path:
    """A used card: full of old bytes."""
    with path.open("wb") as file:
        piece = bytes([fill]) * GRID
        for start in range(0, size, GRID):
            file.write(piece[: min(GRID, size - start)])
    return path


def assert_holds(path: Path, source: MemorySource) -> None:
    """The card has every mapped range, byte for byte."""
    with path.open("rb") as file:
        for each in source.ranges:
            file.seek(each.offset)
            assert file.read(each.length) == source.data[each.offset : each.end], each


def bytes_at(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)


class SysTree:
    """A /sys in a folder, with just what the kernel would show."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("block", "dev/block", "devices"):
            (root / folder).mkdir(parents=True)

    def usb(
        self,
        path: str,
        *,
        speed: str = "480",
        product: str = "Card Reader",
        serial: str = "1532",
        version: str = "",
        root: str = "",
    ) -> Path:
        """A USB device below its hubs: `2-1.1` lies in `usb2/2-1/2-1.1`. All link at `speed`, or `root`."""
        bus, _, ports = path.partition("-")
        place = self.root / "devices/pci0000:00/0000:00:14.0" / f"usb{bus}"
        _write(place, speed=root or speed)
        names = ports.split(".")
        for depth in range(1, len(names) + 1):
            place = place / f"{bus}-{'.'.join(names[:depth])}"
            _write(place, idVendor="05e3", idProduct="0749", speed=speed, product=product, serial=serial)
        if version:
            _write(place, version=version)
        return place

    def disk(
        self,
        name: str,
        number: str,
        size: int,
        *,
        above: Path | None = None,
        lun: int = 0,
        partitions: Sequence[tuple[str, str, int]] = (),
        **files: str,
    ) -> Path:
        """A disk; with `above`, a USB device's folder, it hangs there. Partitions: (name, number, size)."""
        parent = self.root / "devices/virtual/block"
        if above is not None:
            parent = above / f"{above.name}:1.0/host0/target0:0:0/0:0:0:{lun}"
            _write(parent, vendor="Generic ", model="STORAGE DEVICE  ")
            parent = parent / "block"
        place = parent / name
        place.mkdir(parents=True)
        if above is not None:
            (place / "device").symlink_to(place.parent.parent)
        facts = {"dev": number, "size": str(size // 512), "removable": "0", "ro": "0", "diskseq": "7"}
        _write(place, **{**facts, **files})
        (place / "holders").mkdir()
        (place / "slaves").mkdir()
        self._link(place, number)
        (self.root / "block" / name).symlink_to(place)
        for part_name, part_number, part_size in partitions:
            part = place / part_name
            _write(part, dev=part_number, size=str(part_size // 512), start="8192", partition="1")
            (part / "holders").mkdir()
            self._link(part, part_number)
        return place

    def stack(self, upper: Path, lower: Path) -> None:
        """`upper` (a RAID, a crypt) stands on `lower` (a disk or partition)."""
        (upper / "slaves" / lower.name).symlink_to(lower)
        (lower / "holders" / upper.name).symlink_to(upper)

    def _link(self, place: Path, number: str) -> None:
        (self.root / "dev/block" / number).symlink_to(place)


def _write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text + "\n")


def loop_problem() -> str:
    """Why this machine cannot attach loop devices; empty when it can."""
    if os.geteuid() != 0:
        return "needs root to attach loop devices; run the tests as root to include it"
    if not Path("/dev/loop-control").exists() or tool("losetup") is None:
        return "this machine has no loop devices (modprobe loop)"
    return ""


def tool(name: str) -> str | None:
    """A program's path, also from the folders that an ordinary user's PATH lacks."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@contextmanager
def loop_device(backing: Path, *options: str) -> Iterator[str]:
    """A loop device with direct I/O over the file, detached at the end whatever happened."""
    command = [tool("losetup") or "losetup", "--direct-io=on", *options, "-f", "--show", str(backing)]
    node = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    try:
        if "-r" not in options:  # a loop device keeps `blockdev --setro` of whoever had it before
            subprocess.run([tool("blockdev") or "blockdev", "--setrw", node], check=True)
        yield node
    finally:
        subprocess.run([tool("losetup") or "losetup", "-d", node], check=True)
