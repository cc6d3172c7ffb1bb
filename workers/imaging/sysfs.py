"""Disks and the USB ports they hang on, as sysfs tells them. The root can be any tree of the same shape."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SECTOR: Final = 512  # sysfs counts in these, whatever the device's own block size is
_USB_PORT: Final = re.compile(r"\d+-\d+(\.\d+)*")
_USB_ROOT: Final = re.compile(r"usb\d+")
_SCSI_ADDRESS: Final = re.compile(r"\d+:\d+:\d+:(\d+)")


@dataclass(frozen=True, slots=True)
class Hub:
    """What a USB device hangs on: a hub (`2-1`) or a root (`usb2`), and the Mb/s of its own link."""

    path: str
    speed: float | None = None


@dataclass(frozen=True, slots=True)
class UsbPort:
    """A USB device by its place: `path` is the topology path (`2-1.1`), `speed` the link's Mb/s."""

    path: str
    vendor_id: str = ""
    product_id: str = ""
    product: str = ""
    serial: str = ""
    speed: float | None = None
    version: float | None = None  # of USB, as the device tells on this link
    hubs: tuple[Hub, ...] = ()  # the nearest first, the root last

    @property
    def held_back(self) -> bool:
        """A USB 3 device on a USB 2 link: it tells 2.1 there, where one of USB 2 tells 2.0."""
        return self.version is not None and self.version > 2 and self.speed is not None and self.speed <= 480


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition that the kernel knows: `number` is `major:minor`, sizes are bytes."""

    name: str
    number: str
    start: int
    size: int
    holders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Disk:
    """A whole disk. Size 0: a reader without a card, or a loop device without a file."""

    name: str
    number: str
    path: str
    size: int
    removable: bool = False
    read_only: bool = False
    model: str = ""
    diskseq: int | None = None
    usb: UsbPort | None = None
    lun: int = 0
    backing_file: str | None = None
    holders: tuple[str, ...] = ()
    partitions: tuple[Partition, ...] = ()

    @property
    def node(self) -> str:
        """Where the device is found; sysfs writes `!` for a `/` in a name."""
        return "/dev/" + self.name.replace("!", "/")

    @property
    def numbers(self) -> frozenset[str]:
        """`major:minor` of the disk and of all its partitions."""
        return frozenset([self.number, *(each.number for each in self.partitions)])


class Sysfs:
    """A view of `/sys`; every call reads anew."""

    def __init__(self, root: Path = Path("/sys")) -> None:
        self.root = Path(os.path.realpath(root))

    def disks(self) -> list[Disk]:
        """All whole disks, by name; one that vanishes meanwhile is left out."""
        found = (self._disk(Path(os.path.realpath(entry))) for entry in _entries(self.root / "block"))
        return sorted((disk for disk in found if disk), key=lambda disk: disk.name)

    def disk_of(self, number: str) -> Disk | None:
        """The whole disk that device `major:minor` is, or is a partition of."""
        place = self.place(number)
        if place is None:
            return None
        return self._disk(place.parent if is_partition(place) else place)

    def place(self, number: str) -> Path | None:
        """The real sysfs folder of a block device, or None (file systems without a device: `0:45`)."""
        place = Path(os.path.realpath(self.root / "dev" / "block" / number))
        return place if (place / "dev").is_file() else None

    def btrfs_members(self, number: str) -> frozenset[str]:
        """All devices of the Btrfs file system that `number` is part of; a mount names only one."""
        for volume in _entries(self.root / "fs" / "btrfs"):
            members = frozenset(read(entry / "dev") for entry in _entries(volume / "devices"))
            if number in members:
                return members - {""}
        return frozenset([number])

    def _disk(self, place: Path) -> Disk | None:
        number = read(place / "dev")
        size = read(place / "size")
        if not number or not size:
            return None
        return Disk(
            name=place.name,
            number=number,
            path=str(place),
            size=int(size) * SECTOR,
            removable=read(place / "removable") == "1",
            read_only=read(place / "ro") == "1",
            model=_model(place),
            diskseq=_number(read(place / "diskseq")),
            usb=self._usb(place),
            lun=_lun(place),
            backing_file=read(place / "loop" / "backing_file") or None,
            holders=_names(place / "holders"),
            partitions=tuple(_partitions(place)),
        )

    def _usb(self, place: Path) -> UsbPort | None:
        for above in place.parents:
            if above == self.root:
                return None
            if _USB_PORT.fullmatch(above.name) and (above / "idVendor").is_file():
                return _usb_port(above)
        return None


def is_partition(place: Path) -> bool:
    """Whether a sysfs folder of a block device is that of a partition."""
    return (place / "partition").is_file()


def read(path: Path) -> str:
    """The stripped text of a sysfs file; empty when there is none or its device has just gone."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _names(folder: Path) -> tuple[str, ...]:
    return tuple(entry.name for entry in _entries(folder))


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def _partitions(place: Path) -> Iterator[Partition]:
    for entry in _entries(place):
        if is_partition(entry):
            yield Partition(
                name=entry.name,
                number=read(entry / "dev"),
                start=int(read(entry / "start") or 0) * SECTOR,
                size=int(read(entry / "size") or 0) * SECTOR,
                holders=_names(entry / "holders"),
            )


def _model(place: Path) -> str:
    """`vendor model` of a SCSI disk, or the name of an MMC card."""
    words = [read(place / "device" / "vendor"), read(place / "device" / "model")]
    if words[0].startswith("0x"):  # virtio: a number, not a name
        words = words[1:]
    return " ".join(" ".join(words).split()) or read(place / "device" / "name")


def _lun(place: Path) -> int:
    """Which slot of a reader with several: the last part of the SCSI address."""
    for above in place.parents:
        found = _SCSI_ADDRESS.fullmatch(above.name)
        if found:
            return int(found[1])
    return 0


def _decimal(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else None


def _usb_port(place: Path) -> UsbPort:
    return UsbPort(
        path=place.name,
        vendor_id=read(place / "idVendor"),
        product_id=read(place / "idProduct"),
        product=read(place / "product"),
        serial=read(place / "serial"),
        speed=_decimal(read(place / "speed")),
        version=_decimal(read(place / "version")),
        hubs=tuple(_hubs(place)),
    )


def _hubs(place: Path) -> Iterator[Hub]:
    for above in place.parents:
        if _USB_PORT.fullmatch(above.name) or _USB_ROOT.fullmatch(above.name):
            yield Hub(above.name, _decimal(read(above / "speed")))
        if not _USB_PORT.fullmatch(above.name):
            return
