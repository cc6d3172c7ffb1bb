"""The slots of a host: where a card is inserted, what is in there now, and how it is opened for one task."""

from __future__ import annotations

import fcntl
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workers.contract import MAX_SLOT_NAME, BusFacts, SlotState
from workers.errors import CardError, HostError, SlotError, WorkError
from workers.imaging.devices import Devices
from workers.imaging.sysfs import Disk
from workers.writer import guards, ioctls
from workers.writer.bus import bus_of
from workers.writer.card import BlockCard, FileCard
from workers.writer.opening import Candidate, check, contents_of, look, of_disk, open_candidate

_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_SLOT_NAME - 1}}}")
_PORT: Final = re.compile(r"\d+-\d+(\.\d+)*(#\d+)?")


@dataclass(frozen=True, slots=True)
class SlotConfig:
    """A slot is found by the USB port of its reader, never by a name like sdb.

    `port`: topology path (`2-1.1`), with `#N` for the N-th slot (LUN) of a reader that has several.
    `device`: instead of it, a path of somebody's explicit choice: a file, a loop device, a built-in reader.
    """

    name: str
    port: str | None = None
    device: str | None = None
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise HostError(
                "bad_slot", f"Slot {self.name!r}: {problem}; correct it with `python -m workers.whost`."
            )

    def _problem(self) -> str:
        if not _NAME.fullmatch(self.name):
            return f"a name has 1 to {MAX_SLOT_NAME} letters, digits, dots, dashes or underscores"
        if (self.port is None) == (self.device is None):
            return "give either a USB port or a device"
        if self.port is not None and not _PORT.fullmatch(self.port):
            return f"{self.port!r} is no USB port path like 2-1.1"
        if self.device is not None and not self.device.startswith("/"):
            return f"{self.device!r} is not an absolute path"
        if self.max_bytes is not None and self.max_bytes <= 0:
            return "max_bytes must be above 0"
        return ""


def find(slot: SlotConfig, *, devices: Devices | None = None, known: SlotState | None = None) -> SlotState:
    """What is in the slot now. `known`, the answer before: spares reading the same insertion again."""
    devices = devices or Devices()
    try:
        candidate = _locate(slot, devices)
    except WorkError as trouble:
        return _absent(slot, trouble.message)
    bus = bus_of(candidate.disk) if candidate and candidate.disk else None
    if candidate is None or candidate.identity.size == 0:
        return _absent(slot, "", bus)
    identity = candidate.identity
    return {
        "name": slot.name,
        "present": True,
        "size": identity.size,
        "diskseq": identity.diskseq,
        "model": identity.model,
        "contents": _contents(candidate, known),
        "problem": _problem(slot, candidate, devices),
        "bus": bus,
    }


def open_card(
    slot: SlotConfig,
    *,
    expect_diskseq: int | None,
    lock_dir: Path,
    image_size: int = 0,
    devices: Devices | None = None,
) -> BlockCard | FileCard:
    """The slot's card, open and held alone until `close()`; every guard has been passed, nothing was written.

    SlotError or CardError by code: `slot_busy`, `no_card`, `card_changed`, `system_disk`, `in_use`, …
    """
    devices = devices or Devices()
    lock = _lock(slot, lock_dir)
    try:
        candidate = _checked(slot, devices)
        guards.must_be_the_same_insertion(candidate.identity.diskseq, expect_diskseq, candidate.path)
        guards.must_hold(candidate.identity.size, image_size, candidate.path)
        card = open_candidate(candidate, devices)
    except BaseException:
        os.close(lock)
        raise
    card.close_with(lock)
    return card


def reopen(slot: SlotConfig, card: BlockCard | FileCard, devices: Devices | None = None) -> bool:
    """Put what is in the slot now, all guards passed, in place of a card that is gone; False if it cannot be.

    Whether it is the same card is for the caller to prove, before anything is written.
    """
    devices = devices or Devices()
    card.let_go()
    try:
        _look_for_medium(slot, devices)
        candidate = _checked(slot, devices)
        card.reopen(lambda: open_candidate(candidate, devices))
    except (SlotError, CardError):  # not back yet, not readable yet, being looked at by udev
        return False
    return True


def _look_for_medium(slot: SlotConfig, devices: Devices) -> None:
    """A card put back into a reader that stayed: without udev nobody tells the kernel to look."""
    candidate = _locate(slot, devices)
    if candidate is not None and candidate.disk is not None:
        ioctls.has_medium(candidate.path)


def _checked(slot: SlotConfig, devices: Devices) -> Candidate:
    candidate = _locate(slot, devices)
    if candidate is None:
        raise SlotError("no_card", f"There is no card in slot {slot.name}; insert one.")
    _check(slot, candidate, devices)
    return candidate


def _check(slot: SlotConfig, candidate: Candidate, devices: Devices) -> None:
    """A port names a reader and nothing else; a device was somebody's explicit choice."""
    check(candidate, devices, allow_non_removable=slot.device is not None, max_bytes=slot.max_bytes)


def _locate(slot: SlotConfig, devices: Devices) -> Candidate | None:
    """The slot's device; None where a file or node that stands for the card is not there."""
    if slot.device is not None:
        return None if _is_absent(slot.device, devices) else look(slot.device, devices)
    return of_disk(_disk_at(slot, devices))


def _is_absent(path: str, devices: Devices) -> bool:
    """Nothing there: an empty slot. What may not be looked at is another matter, for `look` to name."""
    try:
        devices.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _disk_at(slot: SlotConfig, devices: Devices) -> Disk:
    port, _, lun = (slot.port or "").partition("#")
    found = [
        disk
        for disk in devices.sysfs.disks()
        if disk.usb and disk.usb.path == port and (not lun or disk.lun == int(lun))
    ]
    if not found:
        raise SlotError(
            "no_reader", f"Slot {slot.name}: no card reader at USB port {slot.port}; plug it in there."
        )
    if len(found) > 1:
        names = ", ".join(f"{port}#{disk.lun}" for disk in found)
        raise SlotError(
            "many_slots", f"Slot {slot.name}: the reader at {port} has several slots; name one of {names}."
        )
    return found[0]


def _absent(slot: SlotConfig, problem: str, bus: BusFacts | None = None) -> SlotState:
    return {
        "name": slot.name,
        "present": False,
        "size": 0,
        "diskseq": None,
        "model": "",
        "contents": "",
        "problem": problem,
        "bus": bus,
    }


def _contents(candidate: Candidate, known: SlotState | None) -> str:
    mine = (candidate.identity.diskseq, candidate.identity.size)
    if known and known["present"] and None not in mine and mine == (known["diskseq"], known["size"]):
        return known["contents"]
    return contents_of(candidate)


def _problem(slot: SlotConfig, candidate: Candidate, devices: Devices) -> str:
    try:
        _check(slot, candidate, devices)
    except WorkError as trouble:
        return trouble.message
    return ""


def _lock(slot: SlotConfig, lock_dir: Path) -> int:
    """The slot's own lock; the kernel frees it with its holder, and the file says who that was."""
    path = lock_dir / f"slot-{slot.name}.lock"
    try:
        lock_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise HostError(
            "no_lock", f"The lock {path} cannot be opened ({error.strerror}); check the folder and its owner."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(lock)
        raise SlotError(
            "slot_busy",
            f"Slot {slot.name} is being written by process {holder}; wait for it or stop it.",
        ) from None
    except BaseException:
        os.close(lock)
        raise
    return lock
