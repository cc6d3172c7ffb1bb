"""What must hold before a card is touched. A guard is silent, or raises an error with the next action."""

from __future__ import annotations

from workers.errors import CardError, SlotError
from workers.imaging.devices import Use
from workers.imaging.sizes import exact
from workers.imaging.sysfs import Disk
from workers.writer.identity import Identity

_SHOWN = 3


def must_be_whole(number: str, disk: Disk, path: str) -> None:
    """A partition is only a piece of a card."""
    if number != disk.number:
        raise SlotError(
            "partition", f"{path} is a partition of {disk.node}; name the whole device: {disk.node}."
        )


def must_not_carry_the_system(uses: list[Use], path: str) -> None:
    """Never to be overridden."""
    system = [use for use in uses if use.system]
    if system:
        raise SlotError(
            "system_disk",
            f"{path} carries this machine itself ({_listed(system)}) and is never written; name another.",
        )


def must_be_unused(uses: list[Use], path: str) -> None:
    """Mounted, swap, part of a RAID, volume or encryption, or behind a loop device."""
    if uses:
        raise SlotError(
            "in_use", f"{path} is in use ({_listed(uses)}); unmount or release it and start again."
        )


def must_be_removable(disk: Disk, *, allowed: bool) -> None:
    """A card is removable media or hangs on USB; anything else takes somebody's word."""
    if not (allowed or disk.removable or disk.usb):
        raise SlotError(
            "not_removable",
            f"{disk.node} is neither removable nor on USB, so it is hardly a card; if it is meant, "
            "say --allow-non-removable or name it as a slot's device.",
        )


def must_have_a_card(size: int, path: str) -> None:
    if size == 0:
        raise SlotError("no_card", f"There is no card in {path}; insert one.")


def must_be_writable(read_only: bool, path: str) -> None:
    if read_only:
        raise CardError(
            "write_protected", f"{path} is write-protected; unlock the card's slider or take another card."
        )


def must_be_in_blocks(size: int, block: int, path: str) -> None:
    """A file that stands for a card has a card's granularity."""
    if size % block:
        raise SlotError(
            "odd_size",
            f"{path} has {size} bytes, not a multiple of {block}; make it one: "
            f"truncate -s {size // block * block + block} {path}",
        )


def must_hold(card_size: int, image_size: int, path: str) -> None:
    """The image fits on the card."""
    if card_size < image_size:
        raise CardError(
            "too_small",
            f"The card in {path} has {exact(card_size)} but the image needs {exact(image_size)}; "
            "insert a larger card.",
        )


def must_not_exceed(size: int, limit: int | None, path: str) -> None:
    """A slot for cards has a limit, so that nobody's disk is taken for a card."""
    if limit is not None and size > limit:
        raise SlotError(
            "too_large",
            f"{path} has {exact(size)} but this slot takes {exact(limit)} at most; insert the right card or "
            "raise the slot's max_bytes.",
        )


def must_be_the_same_insertion(diskseq: int | None, expected: int | None, path: str) -> None:
    """The card that was confirmed. Unknown numbers (a kernel before 5.15) cannot be compared."""
    if expected is not None and diskseq is not None and diskseq != expected:
        raise SlotError(
            "card_changed", f"The card in {path} is not the one that was confirmed; confirm the new card."
        )


def must_be_the_same(found: Identity, expected: Identity) -> None:
    """What was opened is what was checked."""
    if not found.is_same_as(expected):
        raise SlotError(
            "card_changed", f"The card in {expected.node} changed while it was opened; confirm the new card."
        )


def _listed(uses: list[Use]) -> str:
    words = [use.what for use in uses[:_SHOWN]]
    return ", ".join(words) + (f" and {len(uses) - _SHOWN} more" if len(uses) > _SHOWN else "")
