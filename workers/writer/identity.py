"""Which card it is: what is compared before and after opening, and kept in the card's record."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import asdict, dataclass, replace
from typing import Any

from workers.errors import SlotError
from workers.imaging.devices import device_number
from workers.imaging.sysfs import Disk
from workers.writer import ioctls


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells this card in this reader from any other: compared before and after opening."""

    node: str
    number: str
    size: int
    diskseq: int | None
    place: str  # sysfs folder, or the file's own path
    model: str = ""
    port: str = ""
    serial: str = ""
    link_speed: float | None = None

    @property
    def insertion(self) -> tuple[int, int | None]:
        """What the device itself tells, as long as it is this card in this reader."""
        return self.size, self.diskseq

    def facts(self) -> dict[str, Any]:
        """For the card's record."""
        return asdict(self)

    def is_same_as(self, other: Identity) -> bool:
        mine = (self.number, self.size, self.diskseq, self.place)
        return mine == (other.number, other.size, other.diskseq, other.place)


def disk_identity(disk: Disk) -> Identity:
    """The identity of a disk as sysfs tells it."""
    return Identity(
        node=disk.node,
        number=disk.number,
        size=disk.size,
        diskseq=disk.diskseq,
        place=disk.path,
        model=disk.model,
        port=disk.usb.path if disk.usb else "",
        serial=disk.usb.serial if disk.usb else "",
        link_speed=disk.usb.speed if disk.usb else None,
    )


def opened_identity(disk: Disk, handle: int) -> Identity:
    """The same, but number, size and insertion as the open device itself tells them."""
    return replace(
        disk_identity(disk),
        number=device_number(os.fstat(handle).st_rdev),
        size=ioctls.device_size(handle),
        diskseq=ioctls.diskseq(handle),
    )


def file_identity(path: str, handle: int) -> Identity:
    """The identity of a file. Its `diskseq` comes from inode and generation: a new file, a new insertion."""
    facts = os.fstat(handle)
    if not stat.S_ISREG(facts.st_mode):
        raise SlotError("not_a_file", f"{path} is not a regular file; name a file or a block device.")
    seed = f"{device_number(facts.st_dev)} {facts.st_ino} {ioctls.file_generation(handle)}".encode()
    return Identity(
        node=path,
        number=device_number(facts.st_dev),
        size=facts.st_size,
        diskseq=int.from_bytes(hashlib.sha256(seed).digest()[:6]),
        place=os.path.realpath(path),
        model="file",
    )
