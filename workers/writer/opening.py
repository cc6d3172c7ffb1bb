"""From a path to an open card: look, check all guards, open, and look again at what was really opened."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from workers.errors import SlotError
from workers.imaging.contents import describe
from workers.imaging.devices import Devices, device_number
from workers.imaging.sysfs import Disk
from workers.writer import guards
from workers.writer.card import FILE_BLOCK, BlockCard, FileCard
from workers.writer.identity import Identity, disk_identity, file_identity
from workers.writer.transfer import not_opened


@dataclass(frozen=True, slots=True)
class Candidate:
    """A device or file that has been looked at. `disk` is None for a file."""

    path: str
    identity: Identity
    disk: Disk | None


def look(path: str, devices: Devices) -> Candidate:
    """What `path` is, without judging it. SlotError `no_device`, `not_a_block_device`, `partition`."""
    real = os.path.realpath(path)
    try:
        facts = devices.stat(real)
        if stat.S_ISREG(facts.st_mode):
            return Candidate(real, _file_identity(real), None)
    except OSError as error:
        raise not_opened(path, error) from error
    if not stat.S_ISBLK(facts.st_mode):
        raise SlotError("not_a_block_device", f"{path} is not a block device; name a card reader's device.")
    number = device_number(facts.st_rdev)
    disk = devices.sysfs.disk_of(number)
    if disk is None:
        raise SlotError("no_device", f"{path} ({number}) is not known to the kernel; check the name.")
    guards.must_be_whole(number, disk, path)
    return of_disk(disk)


def of_disk(disk: Disk) -> Candidate:
    """A disk that sysfs showed."""
    return Candidate(disk.node, disk_identity(disk), disk)


def check(
    candidate: Candidate, devices: Devices, *, allow_non_removable: bool, max_bytes: int | None = None
) -> None:
    """All guards that can be checked without opening; the worst first."""
    path, disk, size = candidate.path, candidate.disk, candidate.identity.size
    _check_use(candidate, devices)
    if disk is None:
        _check_file(candidate, allowed=allow_non_removable)
    else:
        guards.must_be_removable(disk, allowed=allow_non_removable)
        guards.must_have_a_card(size, path)
        guards.must_be_writable(disk.read_only, path)
    guards.must_not_exceed(size, max_bytes, path)


def open_candidate(candidate: Candidate, devices: Devices) -> BlockCard | FileCard:
    """Open for writing, alone; SlotError `card_changed` if it is not what was looked at."""
    try:
        card = _open(candidate, devices)
    except OSError as error:
        raise not_opened(candidate.path, error) from error
    try:
        guards.must_be_the_same(card.identity(), candidate.identity)
        _check_use(candidate, devices)
        if isinstance(card, BlockCard):
            guards.must_be_writable(card.is_read_only(), candidate.path)
    except BaseException:
        card.close()
        raise
    return card


def open_for_reading(path: str, devices: Devices) -> BlockCard | FileCard:
    """Open to compare only; no guard but that it is a whole device or a file."""
    candidate = look(path, devices)
    guards.must_have_a_card(candidate.identity.size, path)
    try:
        if candidate.disk is None:
            return FileCard.open(candidate.path, writable=False)
        return BlockCard.open(candidate.disk, writable=False)
    except OSError as error:
        raise not_opened(path, error) from error


def contents_of(candidate: Candidate) -> str:
    """What is on it, in one line; if it cannot be read, why."""
    try:
        return describe(candidate.path, candidate.identity.size)
    except OSError as error:
        return f"unreadable ({error.strerror})"


def _check_use(candidate: Candidate, devices: Devices) -> None:
    disk, path = candidate.disk, candidate.path
    uses = devices.uses_of(disk) if disk else devices.uses_of_file(path)
    guards.must_not_carry_the_system(uses, path)
    guards.must_be_unused(uses, path)


def _check_file(candidate: Candidate, *, allowed: bool) -> None:
    if not allowed:
        raise SlotError(
            "not_removable",
            f"{candidate.path} is a file, not a card reader; to let it stand for a card say "
            "--allow-non-removable or name it as a slot's device.",
        )
    guards.must_have_a_card(candidate.identity.size, candidate.path)
    guards.must_be_in_blocks(candidate.identity.size, FILE_BLOCK, candidate.path)


def _open(candidate: Candidate, devices: Devices) -> BlockCard | FileCard:
    if candidate.disk is None:
        return FileCard.open(candidate.path)
    now = devices.sysfs.disk_of(candidate.disk.number)
    return BlockCard.open(now or candidate.disk)


def _file_identity(path: str) -> Identity:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        return file_identity(path, handle)
    finally:
        os.close(handle)
